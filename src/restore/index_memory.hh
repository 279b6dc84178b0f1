// SPDX-License-Identifier: MIT
// What the machine has for the sessions of a restore. Private to restore/.
#pragma once

#include <cstdint>

#include "postgres/connection.hh"

namespace tmb::restore {

// For each of `jobs` sessions, a share of what memory the machine has left, when the server is on it: sorting
// in memory is what makes indexes fast.
std::uint64_t index_memory_mb(const postgres::ConnectionSettings& settings, unsigned jobs);

}  // namespace tmb::restore
