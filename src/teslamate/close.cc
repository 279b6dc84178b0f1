// SPDX-License-Identifier: MIT
#include "teslamate/close.hh"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/error.hh"
#include "catalog/reader.hh"
#include "teslamate/close_record.hh"
#include "teslamate/conflict.hh"
#include "teslamate/record_rows.hh"
#include "teslamate/remove_plan.hh"

namespace tmb::teslamate {

using base::Error;
using base::ExitCode;
using postgres::Connection;

namespace {

// What a drive and a charge have in common here.
struct Record {
  std::int64_t id = 0;
  std::string text;
  bool open = false;
  bool too_short = false;
  std::optional<double> age_seconds;
};

std::vector<Record> read_records(Connection& connection, Kind kind, const Ids& ids) {
  std::vector<Record> out;
  if (kind == Kind::drive) {
    for (const Drive& d : read_drives(connection, ids))
      out.push_back({d.id, describe(d), d.is_open(), d.is_too_short(), d.age_seconds});
  } else {
    for (const Charge& c : read_charges(connection, ids))
      out.push_back({c.id, describe(c), c.is_open(), false, c.age_seconds});
  }
  return out;
}

std::string program_of(Kind kind) { return "teslamate-close-" + std::string(name_of(kind)); }

std::string subject_of(const Record& record, Kind kind) {
  return std::string(name_of(kind)) + " " + std::to_string(record.id);
}

std::string state_of(const Record& record, Kind kind) { return subject_of(record, kind) + " is as it was"; }

// Why this record must be left alone; nullopt when it may be closed.
std::optional<Error> refusal(const CloseOptions& options, const Record& record) {
  const std::string id = std::to_string(record.id);
  const auto refuse = [&](const std::string& why, const std::string& hint) {
    return Error(ExitCode::refused, record.text + ": " + why)
        .with_state(state_of(record, options.kind))
        .with_hint(hint);
  };
  if (record.open && record.age_seconds && *record.age_seconds < options.still_alive_seconds) {
    const std::string doing =
        options.kind == Kind::drive ? "the car is still driving" : "the car is still charging";
    return refuse(
        doing + ", its last row is " + report::duration(std::max(0.0, *record.age_seconds)) + " old",
        "wait until it has ended; TeslaMate closes it itself then");
  }
  if (!record.open && !options.recompute) {
    return refuse("it is closed; closing it again computes it anew" +
                      std::string(options.kind == Kind::charge ? " and overwrites its cost" : ""),
                  program_of(options.kind) + " --recompute " + id);
  }
  if (record.too_short && !options.allow_delete) {
    return refuse("it has less than two positions or 10 metres, and TeslaMate deletes such a drive",
                  program_of(options.kind) + " --allow-delete " + id + ", if that is meant");
  }
  return std::nullopt;
}

std::string forecast(const CloseOptions& options, const Record& record) {
  if (record.too_short) return "  TeslaMate will delete it: less than two positions or 10 metres";
  if (!record.open) return "  TeslaMate will compute it anew and overwrite what it says";
  return options.kind == Kind::drive ? "  TeslaMate will end it at its last position"
                                     : "  TeslaMate will end it at its last reading";
}

// Keeps the record and what its deletion would take, durably, before TeslaMate is asked.
base::Path keep(const CloseOptions& options, const Record& record, const MaintenanceAdapters& adapters,
                const UndoStore& store, Connection& connection) {
  const postgres::Transaction transaction(connection, "ISOLATION LEVEL REPEATABLE READ");
  const catalog::Layout layout = catalog::read_layout(connection);
  Closure closure(connection, layout);
  closure.add(table_of(options.kind), "t.id = $1::int8", {std::to_string(record.id)});
  closure.finish();
  UndoHeader header;
  header.act = "close-" + std::string(name_of(options.kind));
  header.title = record.text;
  header.ids = {record.id};
  const base::Time now = adapters.clock.now();
  header.time = base::iso_utc(now);
  header.database = catalog::read_identity(connection);
  const UndoStore::Pending pending = store.begin(header, now);
  report::SilentReporter silent;
  record_closure(connection, layout, closure, *pending.writer, silent);
  pending.writer->publish();
  return pending.path;
}

std::string shown(const std::optional<std::string>& value) { return value ? base::printable(*value) : "–"; }

report::Json to_json(const Record& record, const CloseResult& result) {
  report::Json changes = report::Json::array();
  const auto value = [](const std::optional<std::string>& v) {
    return v ? report::Json(*v) : report::Json();
  };
  for (const ColumnChange& c : result.changes) {
    changes.push_back({{"column", c.column}, {"before", value(c.before)}, {"after", value(c.after)}});
  }
  return {{"id", record.id},
          {"result", result.deleted ? "deleted" : "closed"},
          {"changes", changes},
          {"undo_file", result.undo.string()}};
}

void tell(const CloseOptions& options, const Record& record, const CloseResult& result,
          report::Reporter& reporter) {
  const std::string what = subject_of(record, options.kind);
  reporter.result(what + (result.deleted ? " was deleted by TeslaMate" : " is closed") +
                  "; undo with: teslamate-undo " + result.undo.stem().string());
  for (const ColumnChange& c : result.changes) {
    reporter.result("  " + base::printable(c.column) + ": " + shown(c.before) + " → " + shown(c.after));
  }
}

// What the call said, with what is true now.
Error failure(const CloseOptions& options, const Record& record, const RpcAnswer& answer,
              const CloseResult& result) {
  const std::string what = subject_of(record, options.kind);
  // 125 to 127 are a container's or a shell's: TeslaMate was never reached.
  const bool never_reached = !answer.ok && answer.exit_code >= 125 && answer.exit_code <= 127;
  std::string why = answer.timed_out ? "TeslaMate did not answer in time"
                    : answer.ok      ? "TeslaMate said it was done, but nothing changed"
                    : never_reached
                        ? "the command that reaches TeslaMate ended with " + std::to_string(answer.exit_code)
                        : "TeslaMate could not do it";
  if (!answer.said.empty()) why += ": " + answer.said;
  std::string state = what + (result.undo.empty() ? " is as it was" : " has changed all the same");
  if (answer.timed_out && result.undo.empty()) state += "; TeslaMate may still be at it";
  std::string hint = "TeslaMate's log has its side of it: journalctl -u teslamate, or docker logs";
  if (never_reached) hint = "try that command by hand: [maintenance] rpc_command in the settings file";
  if (!result.undo.empty()) hint = "take it back with: teslamate-undo " + result.undo.stem().string();
  return Error(ExitCode::service, what + ": " + why).with_state(state).with_hint(hint);
}

bool is_closed_now(Connection& connection, const CloseOptions& options, const Record& record,
                   const CloseResult& result) {
  try {
    const auto now = read_records(connection, options.kind, {record.id});
    return now.empty() || !now.front().open;
  } catch (Error& error) {
    if (result.undo.empty()) throw Error(error.with_state(state_of(record, options.kind)));
    throw Error(error.with_state(subject_of(record, options.kind) + " has changed; teslamate-undo " +
                                 result.undo.stem().string()));
  }
}

// Reads back what TeslaMate did, on a new connection where the old one is of no use any more: its statements
// are cancelled by a stop, or the server was restarted meanwhile.
CloseResult read_back(const UndoStore& store, const UndoEntry& pending, const MaintenanceAdapters& adapters,
                      Connection& connection, bool may_still_happen, const std::stop_token& stop) {
  const auto with_state = [&](Error error) {
    return error
        .with_state("what TeslaMate did is not known yet; the row as it was is kept in " +
                    base::printable(store.folder().string()))
        .with_hint("teslamate-undo --list says it, once that is mended");
  };
  try {
    if (stop.stop_requested()) connection = Connection::open(adapters.database);
    return finish_record(store, pending, connection, may_still_happen);
  } catch (const Error& error) {
    if (error.code() != ExitCode::cannot_connect && error.code() != ExitCode::database)
      throw Error(with_state(error));
  }
  try {
    connection = Connection::open(adapters.database);
    return finish_record(store, pending, connection, may_still_happen);
  } catch (const Error& error) {
    throw Error(with_state(error));
  }
}

void close_one(const CloseOptions& options, const Record& record, const MaintenanceAdapters& adapters,
               const RpcSettings& rpc, Connection& connection, report::Reporter& reporter, Outcome& outcome,
               const std::stop_token& stop) {
  const UndoStore store(adapters.state_dir, adapters.seal);
  const base::FileLock at_work = store.lock_close();
  UndoEntry pending{{}, "", UndoState::pending};
  try {
    pending.path = keep(options, record, adapters, store, connection);
  } catch (const postgres::DatabaseError& error) {
    rethrow_conflict(error, adapters.database, subject_of(record, options.kind),
                     "nothing was changed; " + state_of(record, options.kind));
  }
  const RpcCall what =
      options.kind == Kind::drive ? RpcCall::close_drive : RpcCall::complete_charging_process;
  RpcAnswer answer;
  try {
    answer = call(rpc, what, record.id, stop);
  } catch (Error& error) {
    const CloseResult result = read_back(store, pending, adapters, connection, false, stop);
    error.with_state(result.undo.empty()
                         ? state_of(record, options.kind)
                         : subject_of(record, options.kind) + " has changed all the same; teslamate-undo " +
                               result.undo.stem().string());
    throw;
  }
  const CloseResult result =
      read_back(store, pending, adapters, connection, answer.timed_out || stop.stop_requested(), stop);
  const bool changed = !result.undo.empty();
  const bool closed = is_closed_now(connection, options, record, result);
  if (!answer.ok || !closed || (!changed && record.open)) {
    if (stop.stop_requested()) {
      Error cut = failure(options, record, answer, result);
      throw Error(ExitCode::interrupted, "interrupted while TeslaMate was at work on " + record.text)
          .with_state(cut.state())
          .with_hint(cut.hint());
    }
    outcome.document["records"].push_back({{"id", record.id}, {"result", "failed"}, {"said", answer.said}});
    throw failure(options, record, answer, result);
  }
  if (!changed) {
    reporter.result(subject_of(record, options.kind) + " was computed anew and came out the same");
    outcome.document["records"].push_back({{"id", record.id}, {"result", "unchanged"}});
    return;
  }
  if (!answer.said.empty()) reporter.note("TeslaMate said: " + answer.said);
  tell(options, record, result, reporter);
  outcome.document["records"].push_back(to_json(record, result));
}

}  // namespace

Outcome close_records(const CloseOptions& options, const MaintenanceAdapters& adapters,
                      const RpcSettings& rpc, report::Reporter& reporter, const std::stop_token& stop) {
  Outcome outcome;
  outcome.document["records"] = report::Json::array();
  const auto no_restore = keep_restores_out(adapters.state_dir);
  Connection connection = Connection::open(adapters.database, stop);
  catalog::limit_lock_waits(connection, 5000);
  const bool drive = options.kind == Kind::drive;
  const Ids ids = !options.all_open ? options.ids
                  : drive           ? read_open_drives(connection)
                                    : read_open_charges(connection);
  if (ids.empty()) {
    outcome.lines.push_back("no " + std::string(name_of(options.kind)) + " is open");
    return outcome;
  }
  const std::vector<Record> records = read_records(connection, options.kind, ids);
  Ids found;
  for (const Record& record : records) found.push_back(record.id);
  if (!options.all_open) require_all(found, ids, name_of(options.kind));

  std::optional<Error> first;
  for (const Record& record : records) {
    if (stop.stop_requested()) throw Error(ExitCode::interrupted, "interrupted");
    try {
      if (auto refused = refusal(options, record)) throw Error(*refused);
      reporter.result(record.text);
      reporter.result(forecast(options, record));
      if (options.dry_run) continue;
      if (record.too_short || !record.open)
        adapters.confirm("Go on with " + std::string(name_of(options.kind)) + " " +
                         std::to_string(record.id) + "?");
      close_one(options, record, adapters, rpc, connection, reporter, outcome, stop);
    } catch (const Error& error) {
      // An unreachable node is as unreachable for the next one.
      const bool same_for_all = error.code() != ExitCode::refused && error.code() != ExitCode::service;
      if (records.size() == 1 || same_for_all) throw;
      if (!first) first = error;
      reporter.warning(error.message());
    }
  }
  if (first) throw Error(*first);
  if (options.dry_run) outcome.lines.emplace_back("nothing was changed");
  return outcome;
}

Outcome list_open(const MaintenanceAdapters& adapters, report::Reporter& reporter,
                  const std::stop_token& stop) {
  Connection connection = Connection::open(adapters.database, stop);
  const std::vector<Drive> drives = read_drives(connection, read_open_drives(connection));
  const std::vector<Charge> charges = read_charges(connection, read_open_charges(connection));
  Outcome out;
  report::Json drive_list = report::Json::array();
  for (const Drive& d : drives) drive_list.push_back(to_json(d));
  report::Json charge_list = report::Json::array();
  for (const Charge& c : charges) charge_list.push_back(to_json(c));
  out.document = {{"open_drives", drive_list}, {"open_charges", charge_list}};
  if (drives.empty() && charges.empty()) reporter.note("no drive and no charge is open");
  if (!drives.empty()) out.lines = open_drives_table(drives);
  if (!drives.empty() && !charges.empty()) out.lines.emplace_back("");
  if (!charges.empty()) {
    for (std::string& line : open_charges_table(charges)) out.lines.push_back(std::move(line));
  }
  return out;
}

}  // namespace tmb::teslamate
