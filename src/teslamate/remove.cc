// SPDX-License-Identifier: MIT
#include "teslamate/remove.hh"

#include "base/error.hh"
#include "catalog/reader.hh"
#include "catalog/staging.hh"
#include "teslamate/commit.hh"
#include "teslamate/conflict.hh"
#include "teslamate/record_rows.hh"
#include "teslamate/remove_plan.hh"
#include "teslamate/undo_store.hh"

namespace tmb::teslamate {

using base::Error;
using base::ExitCode;
using postgres::Connection;
using postgres::DatabaseError;

namespace {

constexpr const char* one_snapshot = "ISOLATION LEVEL REPEATABLE READ";
constexpr const char* nothing_deleted = "nothing was deleted";

struct Shown {
  Track track = Track::keep;
  std::string fingerprint;
  std::uint64_t rows = 0;
};

// The track of a drive is kept unless somebody says otherwise.
Track choose_track(const RemoveOptions& options, const MaintenanceAdapters& adapters,
                   report::Reporter& reporter, const std::vector<Drive>& drives) {
  if (options.kind != Kind::drive || options.track != Track::ask) {
    return options.track == Track::remove ? Track::remove : Track::keep;
  }
  std::uint64_t positions = 0;
  for (const Drive& d : drives) positions += d.positions;
  if (positions == 0 || options.dry_run) return Track::keep;
  const std::string track = report::counted(positions, "position", "positions");
  const auto answer =
      adapters.ask("Delete the " + track + " of its track, too? (otherwise the map shows them)");
  if (answer && *answer) return Track::remove;
  reporter.note("the " + track + " of the track " + (positions == 1 ? "is" : "are") +
                " kept and stay on the map; --positions delete removes them");
  return Track::keep;
}

void refuse_open(const RemoveOptions& options, const RemovePlan& plan) {
  if (plan.open.empty() || options.force) return;
  throw Error(ExitCode::refused,
              plan.open.front() + (plan.open.size() > 1 ? " (and " + std::to_string(plan.open.size() - 1) +
                                                              " more that are open)"
                                                        : ""))
      .with_state(nothing_deleted)
      .with_hint("close it first with teslamate-close-drive or teslamate-close-charge, or say --force");
}

void refuse_obstacles(const Closure& closure) {
  if (closure.obstacles().empty()) return;
  throw Error(ExitCode::refused, closure.obstacles().front())
      .with_state(nothing_deleted)
      .with_hint("delete or change those rows first");
}

// Of very many the first and how many more there are; --json has them all.
void tell(const std::vector<std::string>& lines, report::Reporter& reporter) {
  constexpr std::size_t most = 40;
  const std::size_t shown = lines.size() > most + 1 ? most : lines.size();
  for (std::size_t i = 0; i < shown; ++i) reporter.result(lines[i]);
  if (shown < lines.size()) reporter.result("and " + report::grouped(lines.size() - shown) + " more");
}

// Reads everything, shows it and asks; nothing is held while a person thinks.
Shown show(const RemoveOptions& options, const MaintenanceAdapters& adapters, Connection& connection,
           const catalog::Layout& layout, report::Reporter& reporter, Outcome& outcome) {
  Shown shown;
  RemovePlan before;
  if (options.kind == Kind::drive) before.drives = read_drives(connection, options.ids);
  tell(describe_records(before), reporter);
  tell(describe_sum(before), reporter);
  shown.track = choose_track(options, adapters, reporter, before.drives);
  const postgres::Transaction transaction(connection, one_snapshot);
  Closure closure(connection, layout);
  const RemovePlan plan = plan_removal(connection, options, shown.track, closure);
  shown.fingerprint = plan.fingerprint;
  for (const RowSet& set : closure.deleted()) shown.rows += set.rows;
  outcome.document.update(to_json(plan, closure));
  if (before.drives.empty()) tell(describe_records(plan), reporter);
  for (const std::string& line : describe_rows(plan, closure)) reporter.result(line);
  refuse_open(options, plan);
  refuse_obstacles(closure);
  return shown;
}

struct Done {
  base::Path undo;
  std::string title;
};

Done execute(const RemoveOptions& options, const MaintenanceAdapters& adapters, Connection& connection,
             const catalog::Layout& layout, const Shown& shown, report::Reporter& reporter) {
  const UndoStore store(adapters.state_dir, adapters.seal);
  postgres::Transaction transaction(connection, one_snapshot);
  Closure closure(connection, layout);
  const RemovePlan plan = plan_removal(connection, options, shown.track, closure);
  if (plan.fingerprint != shown.fingerprint) {
    throw Error(ExitCode::refused, subject_of(options) + " changed since shown")
        .with_state(nothing_deleted)
        .with_hint(options.kind == Kind::car ? "run it again; while TeslaMate records this car, stop it first"
                                             : "run it again and look at what it shows");
  }
  UndoHeader header;
  header.act = options.orphans ? "delete-orphaned-positions" : "delete-" + std::string(name_of(options.kind));
  header.title = title_of(plan, options);
  header.ids = options.ids;
  const base::Time now = adapters.clock.now();
  header.time = base::iso_utc(now);
  header.database = catalog::read_identity(connection);
  header.transaction = catalog::current_transaction(connection);
  UndoStore::Pending pending = store.begin(header, now);
  record_closure(connection, layout, closure, *pending.writer, reporter);
  reporter.begin_phase("deleting", subject_of(options), 0, report::Unit::rows);
  closure.execute();
  // From here on a crash leaves a .pending file; the transaction's id in it tells what became of it.
  pending.writer->publish();
  const base::Path undo = commit(store, transaction, connection, adapters, header, pending.path, reporter);
  reporter.end_phase(report::counted(pending.writer->rows(), "row", "rows"));
  return {undo, header.title};
}

std::string question_for(const RemoveOptions& options) {
  return "Delete " + (options.orphans ? "these positions" : subject_of(options)) + "?";
}

}  // namespace

Outcome remove_rows(const RemoveOptions& options, const MaintenanceAdapters& adapters,
                    report::Reporter& reporter, const std::stop_token& stop) {
  Outcome outcome;
  const std::string what = subject_of(options);
  const auto no_restore = keep_restores_out(adapters.state_dir);
  Connection connection = Connection::open(adapters.database, stop);
  catalog::limit_lock_waits(connection, options.lock_timeout_ms);
  try {
    const catalog::Layout layout = catalog::read_layout(connection);
    const Shown shown = show(options, adapters, connection, layout, reporter, outcome);
    outcome.document["dry_run"] = options.dry_run;
    if (options.orphans && shown.rows == 0) {
      outcome.lines.emplace_back("no position is orphaned; nothing was changed");
      return outcome;
    }
    if (options.dry_run) {
      outcome.lines.emplace_back("nothing was changed");
      return outcome;
    }
    adapters.confirm(question_for(options));
    const Done done = execute(options, adapters, connection, layout, shown, reporter);
    outcome.document["undo_file"] = done.undo.string();
    outcome.lines.push_back(what + " deleted; undo with: teslamate-undo " + done.undo.stem().string());
  } catch (const DatabaseError& error) {
    rethrow_conflict(error, adapters.database, what, nothing_deleted);
  }
  return outcome;
}

}  // namespace tmb::teslamate
