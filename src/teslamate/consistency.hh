// SPDX-License-Identifier: MIT
// Findings in TeslaMate's own rows. Private to check. Each function reads each table once at most.
#pragma once

#include "teslamate/check.hh"

namespace tmb::teslamate {

// "psql -d teslamate -c "SELECT …"", as a shell takes it, whatever the names in it are.
std::string sql_command(const CheckOptions& options, const std::string& sql);

void find_open_records(postgres::Connection& connection, const CheckOptions& options, CheckReport& report);
// The one pass over positions: drives without any, positions of no drive or of another car's, the newest.
void find_position_faults(postgres::Connection& connection, const CheckOptions& options, CheckReport& report);
void find_charge_faults(postgres::Connection& connection, CheckReport& report);
void find_overlaps(postgres::Connection& connection, CheckReport& report);
void find_token_faults(postgres::Connection& connection, const CheckOptions& options, CheckReport& report);

}  // namespace tmb::teslamate
