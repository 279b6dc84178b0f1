// SPDX-License-Identifier: MIT
// Taking a snapshot of a live database into a repository, reading only what changed since the last one.
// Never writes to the database; a snapshot is listed only when all of it is durable.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.hh"
#include "files/collect.hh"
#include "postgres/connection.hh"
#include "report/reporter.hh"
#include "repository/sink.hh"

namespace tmb::backup {

struct Options {
  unsigned jobs = 0;  // workers, 0: one per processor
  bool full = false;  // read every row, whatever the last snapshot says
  bool dry_run = false;
  std::string tag;
  bool scheduled = false;      // said in the manifest: retention may let go of it
  bool settings_only = false;  // the tables of teslamate/settings_tables.hh; for a file, never a repository
  int lock_timeout_ms = 5000;
  std::string tool_version;
  std::string pg_bin_dir;       // where to look for pg_dump first; may be empty
  base::Secret encryption_key;  // TeslaMate's, to tell whether it opens the stored tokens; may be empty
  files::Wanted files;          // carried in encrypted repositories
};

struct Adapters {
  const postgres::ConnectionSettings& database;
  const repository::BackupSink& sink;
  const base::Clock& clock;
};

struct TableOutcome {
  std::string schema;
  std::string name;
  std::uint64_t rows = 0;
  std::uint64_t chunks = 0;
  std::uint64_t unchanged = 0;  // of these, taken over unread
};

struct Outcome {
  repository::Manifest manifest;  // as published; in a dry run: as it would be, without objects
  std::vector<TableOutcome> tables;
  std::uint64_t new_bytes = 0;        // added to the repository, manifest included
  std::uint64_t stored_bytes = 0;     // all that the snapshot occupies, shared or not
  std::uint64_t read_bytes = 0;       // COPY text read from the server
  std::uint64_t files_new_bytes = 0;  // of new_bytes, for carried files
  std::uint64_t healed = 0;           // damaged objects written again
  bool dry_run = false;               // nothing was stored
  bool schema_unchanged = false;
  double lock_seconds = 0;  // how long a change of a table's definition would have had to wait
};

// Throws locked, cannot_connect, database (naming each object that cannot be carried), unsupported, local_io,
// damaged, interrupted. Whatever is thrown, every earlier snapshot is as it was.
Outcome run(const Options& options, const Adapters& adapters, report::Reporter& reporter,
            const std::stop_token& stop);

// The result as lines for people.
std::vector<std::string> describe(const Outcome& outcome);

}  // namespace tmb::backup
