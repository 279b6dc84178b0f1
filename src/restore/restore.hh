// SPDX-License-Identifier: MIT
// Bringing a snapshot back: read it whole, fill a database beside the live one, check it, swap the two names
// while the service is down. Refuses to touch the live database before everything else has worked, and to
// drop anything that it did not make itself.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.hh"
#include "base/file.hh"
#include "postgres/connection.hh"
#include "report/reporter.hh"
#include "repository/source.hh"
#include "service/service_control.hh"

namespace tmb::restore {

class Input;
struct SnapshotTrust;

struct Options {
  std::string as_database;  // stop before the swap and leave the loaded database under this name
  bool as_marked =
      false;              // leave the mark of a staging database on it: whoever finds its maker dead drops it
  bool in_place = false;  // one transaction in the live database, for roles that may not create databases
  bool dry_run = false;   // say what would be done; touch nothing
  bool allow_newer = false;  // load a database that was migrated further than the live one
  bool no_service = false;   // nothing is stopped or started
  bool no_health = false;    // do not wait for the service's answer after the swap
  unsigned jobs = 0;         // workers, 0: one per processor
  std::string pg_bin_dir;    // where to look for pg_restore; empty: the usual places
  std::vector<std::string> units;
  std::vector<std::string> keep_stopped;  // of `units`, those that stay down
  std::string health_url;                 // empty: not asked
  std::chrono::seconds health_timeout{60};
  std::chrono::seconds settle{5};
  std::chrono::milliseconds door_timeout{10000};  // for other sessions to go once the door is closed
  unsigned keep_old_days = 7;
  base::Secret encryption_key{};  // that TeslaMate will use; empty: not known
  // The owner's, around an outage: what the first throws ends the restore before anything is stopped, the
  // second throws nothing.
  std::function<void()> before_stop = {};
  std::function<void()> after_start = {};
};

struct Adapters {
  const postgres::ConnectionSettings& database;  // of the live database; its name is that to be replaced
  const base::Path& state_dir;
  const base::Clock& clock;
  service::ServiceControl* services;  // null with no_service
  // Asks a person; returns on yes, throws refused otherwise.
  std::function<void(const std::string& question)> confirm;
  // Takes a snapshot of the live database as it is; used by in_place alone.
  std::function<std::string()> take_snapshot = {};
  // Asks a person about one of several; used by drop_kept alone. Throws refused when there is nobody to ask.
  std::function<bool(const std::string& question)> ask = {};
};

// A database that a restore replaced and kept.
struct KeptDatabase {
  std::string name;
  std::uint32_t oid = 0;
  std::uint64_t bytes = 0;
  base::Time since{};
  std::string snapshot;  // that took its place; empty: a rollback did
};

struct CarDifference {
  std::int64_t id = 0;
  std::string name;
  std::uint64_t snapshot_drives = 0, live_drives = 0;
  std::uint64_t snapshot_charges = 0, live_charges = 0;
  std::string snapshot_last, live_last;
};

struct TableDifference {
  std::string schema;
  std::string name;
  std::optional<std::uint64_t> snapshot_rows;  // empty: the snapshot has no such table
  std::optional<std::uint64_t> live_rows;      // empty: the live database has no such table
};

struct Outcome {
  std::string operation;        // restore, as-database, in-place, dry-run, rollback, abort, drop-kept
  std::string snapshot;         // empty for rollback and abort, and for a file
  std::string file;             // that was restored; empty: a snapshot was
  std::string title;            // either, for messages
  std::string live_database;    // what carries the live data now; empty: there is none
  std::string loaded_database;  // that the snapshot's rows are in; empty: none
  std::string kept_database;    // the old live database's new name; empty: there was none
  base::Time kept_until{};
  std::uint64_t rows = 0;
  std::uint64_t tables = 0;
  double seconds = 0;                  // that the whole operation took; the caller fills it in
  std::optional<double> down_seconds;  // that the service, or without one the database, could not be used
  std::vector<KeptDatabase> kept;      // all of them, newest first
  std::vector<TableDifference> tables_differing;  // dry run
  std::vector<CarDifference> cars;                // dry run
  std::vector<std::string> lines;                 // what a person reads, in order
};

// Throws locked (a second restore), damaged, unsupported, not_found, cannot_connect, database, service,
// refused and interrupted, all with the live database untouched and the service as it was; rolled_back when
// the new data was live for a moment and the old is again; needs_person, with the commands to run, when even
// that failed.
Outcome run(const Options& options, const repository::BackupSource& source, const Adapters& adapters,
            report::Reporter& reporter, const std::stop_token& stop);
// The same of a snapshot that may be a stranger's.
Outcome run(const Options& options, const repository::BackupSource& source, const SnapshotTrust& trust,
            const Adapters& adapters, report::Reporter& reporter, const std::stop_token& stop);

// The same for whatever can be brought back; see input.hh.
Outcome run(const Options& options, Input& input, const Adapters& adapters, report::Reporter& reporter,
            const std::stop_token& stop);

// Swaps the newest kept database back; the present one is kept in turn.
Outcome roll_back(const Options& options, const Adapters& adapters, report::Reporter& reporter,
                  const std::stop_token& stop);

// Finishes or undoes what a run that died left behind, whatever it was. Nothing left behind is no error.
Outcome abort_leftovers(const Options& options, const Adapters& adapters, report::Reporter& reporter);

// Drops kept databases older than Options::keep_old_days, after asking for each; no leaves that one. Whatever
// it throws says which were dropped already.
Outcome drop_kept(const Options& options, const Adapters& adapters, report::Reporter& reporter);

}  // namespace tmb::restore
