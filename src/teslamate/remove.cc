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

std::string question_for(const RemoveOptions& options) {
  return "Delete " + (options.orphans ? "these positions" : subject_of(options)) + "?";
}

// One deletion, from what is shown to its end.
class Removal {
 public:
  Removal(const RemoveOptions& options, const MaintenanceAdapters& adapters, Connection& connection,
          report::Reporter& reporter)
      : options_(options),
        adapters_(adapters),
        connection_(connection),
        reporter_(reporter),
        layout_(catalog::read_layout(connection)) {}

  Outcome run();

 private:
  Track choose();
  // False when there is nothing more to do than to have shown it.
  bool show(const RemovePlan& plan, const Closure& closure);
  void execute(postgres::Transaction& transaction, const RemovePlan& plan, Closure& closure);

  const RemoveOptions& options_;
  const MaintenanceAdapters& adapters_;
  Connection& connection_;
  report::Reporter& reporter_;
  const catalog::Layout layout_;
  Outcome outcome_;
};

// What becomes of the track is asked before a transaction is begun.
Track Removal::choose() {
  if (options_.kind != Kind::drive) return Track::keep;
  RemovePlan before;
  before.drives = read_drives(connection_, options_.ids);
  tell(describe_records(before), reporter_);
  tell(describe_sum(before), reporter_);
  return choose_track(options_, adapters_, reporter_, before.drives);
}

bool Removal::show(const RemovePlan& plan, const Closure& closure) {
  outcome_.document.update(to_json(plan, closure));
  outcome_.document["dry_run"] = options_.dry_run;
  if (plan.drives.empty()) tell(describe_records(plan), reporter_);
  for (const std::string& line : describe_rows(plan, closure)) reporter_.result(line);
  refuse_open(options_, plan);
  refuse_obstacles(closure);
  if (options_.orphans && closure.deleted().empty()) {
    outcome_.lines.emplace_back("no position is orphaned; nothing was changed");
    return false;
  }
  if (options_.dry_run) outcome_.lines.emplace_back("nothing was changed");
  return !options_.dry_run;
}

void Removal::execute(postgres::Transaction& transaction, const RemovePlan& plan, Closure& closure) {
  const UndoStore store(adapters_.state_dir, adapters_.seal);
  const std::string what = subject_of(options_);
  UndoHeader header;
  header.act =
      options_.orphans ? "delete-orphaned-positions" : "delete-" + std::string(name_of(options_.kind));
  header.title = title_of(plan, options_);
  header.ids = options_.ids;
  const base::Time now = adapters_.clock.now();
  header.time = base::iso_utc(now);
  header.database = catalog::read_identity(connection_);
  header.transaction = catalog::current_transaction(connection_);
  UndoStore::Pending pending = store.begin(header, now);
  record_closure(connection_, layout_, closure, *pending.writer, reporter_);
  reporter_.begin_phase("deleting", what, 0, report::Unit::rows);
  closure.execute();
  // From here on a crash leaves a .pending file; the transaction's id in it tells what became of it.
  pending.writer->publish();
  const base::Path undo = commit(store, transaction, connection_, adapters_, header, pending.path, reporter_);
  reporter_.end_phase(report::counted(pending.writer->rows(), "row", "rows"));
  outcome_.document["undo_file"] = undo.string();
  outcome_.lines.push_back(what + " deleted; undo with: teslamate-undo " + undo.stem().string());
}

Outcome Removal::run() {
  const Track track = choose();
  std::string shown;
  {
    postgres::Transaction transaction(connection_, one_snapshot);
    Closure closure(connection_, layout_);
    const RemovePlan plan = plan_removal(connection_, options_, track, closure);
    if (!show(plan, closure)) return std::move(outcome_);
    if (!adapters_.asks) {
      execute(transaction, plan, closure);
      return std::move(outcome_);
    }
    shown = plan.fingerprint;
  }
  // Nothing is held while a person thinks.
  adapters_.confirm(question_for(options_));
  postgres::Transaction transaction(connection_, one_snapshot);
  Closure closure(connection_, layout_);
  const RemovePlan plan = plan_removal(connection_, options_, track, closure);
  if (plan.fingerprint != shown) {
    throw Error(ExitCode::refused, subject_of(options_) + " changed since shown")
        .with_state(nothing_deleted)
        .with_hint(options_.kind == Kind::car
                       ? "run it again; while TeslaMate records this car, stop it first"
                       : "run it again and look at what it shows");
  }
  execute(transaction, plan, closure);
  return std::move(outcome_);
}

}  // namespace

Outcome remove_rows(const RemoveOptions& options, const MaintenanceAdapters& adapters,
                    report::Reporter& reporter, const std::stop_token& stop) {
  const auto no_restore = keep_restores_out(adapters.state_dir);
  Connection connection = Connection::open(adapters.database, stop);
  catalog::limit_lock_waits(connection, options.lock_timeout_ms);
  catalog::prefer_index_lookups(connection);
  try {
    return Removal(options, adapters, connection, reporter).run();
  } catch (const DatabaseError& error) {
    rethrow_conflict(error, adapters.database, subject_of(options), nothing_deleted);
  }
}

}  // namespace tmb::teslamate
