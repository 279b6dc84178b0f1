// SPDX-License-Identifier: MIT
// Brings single drives, charges or cars back into the live database, with all that they refer to, while
// TeslaMate runs. Rows that are there stay. A row whose id another row has gets a new one, and what refers to
// it follows. What TeslaMate would see twice is left out unless asked for. Everything can be taken back.
#pragma once

#include <optional>
#include <string>

#include "teslamate/remove.hh"
#include "teslamate/row_source.hh"

namespace tmb::teslamate {

struct MergeOptions {
  Ids drives;
  Ids charges;
  Ids cars;
  // Of drives, charges, positions, states and updates of `cars`; alone: of every car. A date, or a date and a
  // time, UTC.
  std::string since;
  std::string until;
  bool allow_overlap = false;
  bool dry_run = false;
  int lock_timeout_ms = 5000;

  bool any() const {
    return !drives.empty() || !charges.empty() || !cars.empty() || !since.empty() || !until.empty();
  }
};

// "2026-05-01" or "2026-05-01 08:30[:00]" as COPY prints it. Throws usage.
std::string parse_moment(const std::string& text, const std::string& flag);

// Throws not_found for an id that the source does not have, unsupported when its schema is newer, refused,
// database, local_io.
Outcome merge_rows(const MergeOptions& options, RowSource& source, const MaintenanceAdapters& adapters,
                   report::Reporter& reporter, const std::stop_token& stop);

}  // namespace tmb::teslamate
