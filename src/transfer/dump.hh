// SPDX-License-Identifier: MIT
// The live database as plain SQL: pg_dump's own output, checked to its last line and published whole.
#pragma once

#include <stop_token>
#include <string>

#include "postgres/connection.hh"
#include "report/reporter.hh"
#include "transfer/export.hh"

namespace tmb::transfer {

struct DumpOutcome {
  std::uint64_t bytes = 0;  // of the file
  double seconds = 0;
  std::string server_version;
  std::string tool_version;
};

// Throws cannot_connect, database, unsupported (no pg_dump of the server's release or newer), local_io,
// refused, interrupted. Then there is no file, or the one that was there.
DumpOutcome dump_sql(const ExportOptions& options, const postgres::ConnectionSettings& database,
                     report::Reporter& reporter, const std::stop_token& stop);

}  // namespace tmb::transfer
