// SPDX-License-Identifier: MIT
// What TimescaleDB wants before and after its tables are loaded from a dump.
#pragma once

#include <stop_token>
#include <string>

#include "postgres/connection.hh"

namespace tmb::catalog {

// Creates the extension in the dump's version, the newest where that is not known (empty), and calls
// timescaledb_pre_restore(), whose settings stay with the database. Throws database.
void begin_timescale_restore(const postgres::ConnectionSettings& database, const std::string& version,
                             const std::string& schema, const std::stop_token& stop);
void end_timescale_restore(const postgres::ConnectionSettings& database, const std::stop_token& stop);

}  // namespace tmb::catalog
