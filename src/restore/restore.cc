// SPDX-License-Identifier: MIT
#include "restore/restore.hh"

#include "base/error.hh"
#include "base/workers.hh"
#include "catalog/admin.hh"
#include "restore/check.hh"
#include "restore/differences.hh"
#include "restore/in_place.hh"
#include "restore/input.hh"
#include "restore/leftovers.hh"
#include "restore/preflight.hh"
#include "restore/stage.hh"
#include "restore/swap.hh"

namespace tmb::restore {

using base::Error;
using base::ExitCode;
using base::printable;
using repository::BackupSource;

namespace {

Outcome begin_outcome(const Session& s, const Input& input, const std::string& operation) {
  Outcome out;
  out.operation = operation;
  (input.source() != nullptr ? out.snapshot : out.file) = input.mark();
  out.title = input.title();
  out.rows = input.manifest().rows();
  out.tables = input.manifest().tables.size();
  out.live_database = s.database;
  return out;
}

Journal begin_journal(const Session& s, const Target& t, const std::string& snapshot) {
  Journal j;
  j.run = s.run;
  j.operation = s.options.as_database.empty() ? "restore" : "as-database";
  j.system_identifier = s.system_identifier;
  j.live = s.database;
  if (t.live) j.live_oid = t.live->oid;
  if (t.live) j.live_comment = t.live->comment;
  j.staging = t.staging;
  j.kept = t.kept;
  j.snapshot = snapshot;
  j.units = t.units;
  return j;
}

void confirm_replacing(const Session& s, const Target& t, const Input& input) {
  if (!t.live) return;
  const std::string with = input.source() != nullptr
                               ? "the snapshot of " + base::local_time(input.manifest().time)
                               : input.title();
  std::string question = "Replace " + printable(s.database) + " with " + with + "?";
  if (!t.newest_live_row.empty())
    question += " Its newest position is of " + t.newest_live_row.substr(0, 19) + " UTC.";
  s.adapters.confirm(question + " The present database is kept as " + printable(t.kept) + ".");
}

// The restored database gets its own name and is nobody's staging any more.
void publish_as(Session& s, StagingDatabase& staging) {
  postgres::Transaction transaction(s.admin, "");
  catalog::rename_database(s.admin, staging.name(), s.options.as_database);
  if (!s.options.as_marked) catalog::set_database_comment(s.admin, s.options.as_database, std::nullopt);
  transaction.commit();
  staging.release();
  forget_journal(s);
}

Outcome restore_beside(Session& s, Input& input, const Target& target) {
  Outcome out = begin_outcome(s, input, s.options.as_database.empty() ? "restore" : "as-database");
  Journal journal = begin_journal(s, target, input.mark());
  s.journal.write(journal);
  StagingDatabase staging(s, target, input.mark());
  journal.staging_oid = staging.oid();
  s.journal.write(journal);
  input.load(s, target, staging);
  check(s, input.manifest(), staging);
  if (s.stop.stop_requested()) throw Error(ExitCode::interrupted, "interrupted");
  if (!s.options.as_database.empty()) {
    publish_as(s, staging);
    out.loaded_database = s.options.as_database;
    return out;
  }
  if (target.live) rehearse_access(s, target.live->name, staging.name());
  Swap swap(s, journal);
  try {
    out.down_seconds = swap.run();
  } catch (const Error& error) {
    // What was live for a moment, or may be, is kept: the service may have written to it.
    if (error.code() == ExitCode::rolled_back || error.code() == ExitCode::needs_person) staging.release();
    throw;
  }
  staging.release();
  out.loaded_database = s.database;
  out.kept_database = journal.kept;
  return out;
}

void describe(const Session& s, Outcome& out) {
  using namespace std::chrono;
  const std::string rows = report::counted(out.rows, "row", "rows") + " of " + out.title;
  if (out.operation == "as-database") {
    out.lines.push_back("loaded " + rows + " into " + printable(out.loaded_database) + "; " +
                        printable(s.database) + " was not touched");
    return;
  }
  out.kept_until = s.began + days(s.options.keep_old_days);
  std::string line = "restored " + rows + ".";
  if (!out.kept_database.empty()) {
    line += " The old database is kept as " + printable(out.kept_database) + " until " +
            base::local_time(out.kept_until).substr(0, 10) + "; undo with: teslamate-restore --rollback";
  }
  out.lines.push_back(line);
}

void list_kept_lines(Session& s, Outcome& out) {
  out.kept = list_kept_at_end(s);
  for (const KeptDatabase& kept : out.kept) {
    if (kept.name == out.kept_database) continue;
    const auto age = std::chrono::duration_cast<std::chrono::days>(s.began - kept.since).count();
    out.lines.push_back(
        "kept from before: " + printable(kept.name) + ", " + report::byte_size(kept.bytes) + ", " +
        report::counted(static_cast<std::uint64_t>(std::max<std::int64_t>(age, 0)), "day", "days") + " old" +
        (age >= s.options.keep_old_days ? "; remove it with: teslamate-restore --drop-kept" : ""));
  }
}

}  // namespace

Outcome run(const Options& options, const BackupSource& source, const Adapters& adapters,
            report::Reporter& reporter, const std::stop_token& stop) {
  return run(options, source, SnapshotTrust{}, adapters, reporter, stop);
}

Outcome run(const Options& options, const BackupSource& source, const SnapshotTrust& trust,
            const Adapters& adapters, report::Reporter& reporter, const std::stop_token& stop) {
  if (!source.manifest().scope.empty()) {
    throw Error(ExitCode::refused, source.describe() +
                                       " holds the settings only: nothing could take the place "
                                       "of the live database")
        .with_state("nothing was changed")
        .with_hint("bring the settings back with --scope settings");
  }
  SnapshotInput input(source, trust);
  return run(options, input, adapters, reporter, stop);
}

Outcome run(const Options& options, Input& input, const Adapters& adapters, report::Reporter& reporter,
            const std::stop_token& stop) {
  // Its rows are in no chunks: content would be replaced by none.
  const bool by_pg_dump = input.source() != nullptr && input.manifest().by_pg_dump();
  if (options.in_place && (input.source() == nullptr || by_pg_dump)) {
    throw Error(ExitCode::refused, by_pg_dump
                                       ? "--in-place cannot load a snapshot that is an archive of pg_dump"
                                       : "--in-place works with snapshots only")
        .with_hint(
            "restore the file with --as-database as a role that may create databases, or load it there "
            "and take a snapshot");
  }
  Session session = open_session(options, adapters, reporter, stop);
  session.word = input.word();
  try {
    if (options.dry_run) {
      if (session.journal.read())
        reporter.note("an interrupted restore waits to be finished or undone: teslamate-restore --abort");
    } else {
      for (const std::string& line : clear_leftovers(session)) reporter.note(line);
    }
    // What only looks, and what loads into the live database itself, proves the content first.
    const Proof proof = options.dry_run || options.in_place ? Proof::content : Proof::stored;
    input.read_everything(proof, base::worker_count(options.jobs), reporter, stop);
    Target target = preflight(session, input.manifest());
    input.preflight(session, target);
    Outcome out;
    if (options.dry_run) {
      out = describe_differences(session, input, target);
    } else {
      if (options.as_database.empty()) confirm_replacing(session, target, input);
      out = options.in_place ? restore_in_place(session, *input.source(), target)
                             : restore_beside(session, input, target);
      describe(session, out);
      list_kept_lines(session, out);
    }
    return out;
  } catch (Error& error) {
    if (error.state().empty()) error.with_state(untouched_state(session));
    if (error.hint().empty() && error.code() == ExitCode::interrupted) {
      error.with_hint("run the same command again to restore after all");
    }
    const bool servers = error.code() == ExitCode::cannot_connect || error.code() == ExitCode::database;
    if (error.hint().empty() && servers) {
      error.with_hint("look at the server's log, then run the same command again");
    }
    throw;
  }
}

}  // namespace tmb::restore
