// SPDX-License-Identifier: MIT
// The rehearsal: a snapshot or a file restored the way a restore does it, into a database that nobody uses,
// looked at as its users would, timed, and removed. The live database is not touched, not even asked.
#pragma once

#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hh"
#include "base/file.hh"
#include "base/secret.hh"
#include "postgres/connection.hh"
#include "report/json.hh"
#include "report/reporter.hh"
#include "restore/input.hh"
#include "teslamate/dashboard_queries.hh"

namespace tmb::drill {

struct Options {
  unsigned jobs = 0;       // workers, 0: one per processor
  std::string pg_bin_dir;  // where to look for PostgreSQL's programs; empty: the usual places
};

struct Adapters {
  const postgres::ConnectionSettings& server;  // any database of it; the throw-away one is made beside
  base::Path folder;                           // for lock and journal: the drill's own
  const base::Clock& clock;
  base::Secret encryption_key;  // TeslaMate's; empty: not known
};

struct Outcome {
  std::string snapshot;        // empty: a file was rehearsed
  std::string file;            // empty: a snapshot was
  std::string title;           // either, for messages
  base::Time snapshot_time{};  // of a file: when it was written last
  std::uint64_t rows = 0;
  std::uint64_t tables = 0;
  std::uint64_t database_bytes = 0;
  std::vector<std::pair<std::string, double>> phases;  // of the restore
  double recovery_seconds = 0;                         // the restore, from its first byte to its last check
  double looking_seconds = 0;                          // what a drill does beyond it
  double removing_seconds = 0;        // of the database: the server makes a checkpoint for it
  double recovery_point_seconds = 0;  // that the snapshot was old when the drill began
  std::size_t cars = 0;
  std::string vault;  // that the tokens open; empty: they do not, or it is not known
  std::vector<teslamate::DashboardAnswer> answers;
  bool cluster = false;
};

// Throws what a restore throws, and damaged or database when what was restored does not serve. The throw-away
// database is gone in any case but that of a kill: then the next drill or restore drops it by its mark.
Outcome run(const Options& options, restore::Input& input, const Adapters& adapters,
            report::Reporter& reporter, const std::stop_token& stop);

// Seconds; 0: there is no goal.
struct Goals {
  double rpo_seconds = 0;
  double rto_seconds = 0;
};
inline bool misses(double value, double goal) { return goal > 0 && value > goal; }
std::vector<std::string> describe(const Outcome& outcome, const Goals& goals);
report::Json to_json(const Outcome& outcome, const Goals& goals);

}  // namespace tmb::drill
