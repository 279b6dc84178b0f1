// SPDX-License-Identifier: MIT
// The newest snapshot held against the live database, row by row. By the rule of copy.hh a live row that is
// not young was visible in the snapshot too, and has the same bytes: so each of them must be found among the
// snapshot's rows of its page range. One that is not there is no work of any transaction since: a page that
// changed on its disk, or a backup that took over what it should have read. Snapshot rows that are not live
// any more were changed or removed since; that they should not have been cannot be told. Writes nowhere.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "postgres/connection.hh"
#include "report/json.hh"
#include "report/reporter.hh"
#include "repository/source.hh"

namespace tmb::backup {

// Live rows of one page range that the snapshot should have and has not, or the other way round.
struct LiveDifference {
  std::string table;             // schema.table
  std::uint64_t first_page = 0;  // of the range
  std::uint64_t rows = 0;
  std::string example;  // the beginning of one of the rows; for people, escaped
};

struct LiveReport {
  std::string snapshot;
  std::uint64_t tables = 0;               // that were compared
  std::uint64_t same = 0;                 // rows that are as they were
  std::uint64_t since = 0;                // live rows that were added or changed since
  std::uint64_t gone = 0;                 // snapshot rows that were changed or removed since
  std::vector<std::string> not_compared;  // table and why
  std::vector<LiveDifference> differences;
  double seconds = 0;
};

struct LiveCheckOptions {
  unsigned jobs = 0;  // workers, 0: one per processor
  int lock_timeout_ms = 5000;
};

// Throws refused when the server's history does not let the two be compared (it was restarted, for instance),
// unsupported for a snapshot that is an archive of pg_dump, and what a backup throws. Differences are in the
// report.
LiveReport compare_with_live(const repository::BackupSource& snapshot,
                             const postgres::ConnectionSettings& settings, const LiveCheckOptions& options,
                             report::Reporter& reporter, const std::stop_token& stop);

std::vector<std::string> describe(const LiveReport& report);
report::Json to_json(const LiveReport& report);

}  // namespace tmb::backup
