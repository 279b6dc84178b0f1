// SPDX-License-Identifier: MIT
// What the track of a deleted drive leaves behind: positions that move, one soon after another, and belong to
// no drive. A car that is parked or charges has positions without a drive, too, but none with a speed; and a
// TeslaMate that is started while the car drives writes a single one. Neither counts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "postgres/connection.hh"
#include "report/json.hh"

namespace tmb::teslamate {

// A query for them: place (ctid), car_id, date. Positions that a drive or a charge begins or ends at are left
// out. It reads all positions.
std::string orphaned_positions();

// Looks for them once, into a temporary table of the caller's transaction with these columns. Its SQL name.
std::string collect_orphans(postgres::Connection& connection);

// Those of one car. Times are PostgreSQL's text, UTC.
struct Orphans {
  std::int64_t car_id = 0;
  std::string car;
  std::uint64_t positions = 0;
  std::string first;
  std::string last;
};

// `collected` is what collect_orphans returned.
std::vector<Orphans> read_orphans(postgres::Connection& connection, const std::string& collected);

std::string describe(const Orphans& orphans);
report::Json to_json(const Orphans& orphans);

}  // namespace tmb::teslamate
