// SPDX-License-Identifier: MIT
// How many threads a restore works with, and what the machine has for them. Private to restore/.
#pragma once

#include <cstdint>

#include "base/workers.hh"
#include "postgres/connection.hh"

namespace tmb::restore {

unsigned worker_count(unsigned wanted);

using base::run_workers;

// For each of `jobs` sessions, a share of what memory the machine has left, when the server is on it: sorting
// in memory is what makes indexes fast.
std::uint64_t index_memory_mb(const postgres::ConnectionSettings& settings, unsigned jobs);

}  // namespace tmb::restore
