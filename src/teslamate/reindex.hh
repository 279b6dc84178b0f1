// SPDX-License-Identifier: MIT
// Rebuilds indexes that are bloated or not valid while TeslaMate goes on, with progress. Cut off, it leaves
// everything usable, and the next run clears what was half built.
#pragma once

#include <stop_token>

#include "teslamate/remove.hh"

namespace tmb::teslamate {

Outcome reindex_bloated(const postgres::ConnectionSettings& database, std::uint64_t waste_bytes,
                        report::Reporter& reporter, const std::stop_token& stop);

}  // namespace tmb::teslamate
