// SPDX-License-Identifier: MIT
#include "teslamate/undo.hh"

#include "base/error.hh"
#include "catalog/reader.hh"
#include "catalog/staging.hh"
#include "report/table.hh"
#include "teslamate/close_record.hh"
#include "teslamate/commit.hh"
#include "teslamate/conflict.hh"
#include "teslamate/records.hh"
#include "teslamate/undo_rows.hh"

namespace tmb::teslamate {

using base::Error;
using base::ExitCode;
using base::printable;
using catalog::TransactionEnd;
using postgres::Connection;
using postgres::DatabaseError;

namespace {

constexpr const char* nothing_changed = "nothing was changed";
constexpr std::size_t most_conflicts = 10;

std::string local_time_of(const UndoHeader& header) {
  return base::local_time(base::parse_iso_utc(header.time));
}

std::string_view name_of(UndoState state) {
  switch (state) {
    case UndoState::pending: return "unfinished";
    case UndoState::done: return "done";
    case UndoState::undone: return "taken back";
  }
  return "";
}

void require_database(const UndoHeader& header, const catalog::DatabaseIdentity& here) {
  if (header.database.name == here.name) return;
  throw Error(ExitCode::refused, "this was done in the database " + printable(header.database.name) +
                                     ", not in " + printable(here.name))
      .with_state(nothing_changed)
      .with_hint("name the database with -d");
}

void refuse(const std::vector<std::string>& conflicts) {
  std::string all;
  for (const std::string& conflict : conflicts) all += (all.empty() ? "" : "; ") + conflict;
  throw Error(ExitCode::refused, all + (conflicts.size() == most_conflicts ? "; and perhaps more" : ""))
      .with_state(nothing_changed)
      .with_hint("change or delete those rows first, then run it again");
}

report::Json to_json(const UndoEntry& entry, const UndoReader& file) {
  std::uint64_t rows = 0;
  for (std::size_t i = 0; i < file.sections().size(); ++i) rows += file.rows_of(i);
  return {{"name", entry.name},
          {"file", entry.path.string()},
          {"state", name_of(entry.state)},
          {"act", file.header().act},
          {"ids", file.header().ids},
          {"title", file.header().title},
          {"time", file.header().time},
          {"database", file.header().database.name},
          {"rows", rows}};
}

// The lines that say what comes back.
std::vector<std::string> describe(const UndoReader& file) {
  std::vector<std::string> out{file.header().act + " of " + local_time_of(file.header()) + ": " +
                               printable(file.header().title)};
  for (std::size_t i = 0; i < file.sections().size(); ++i) {
    const UndoSection& section = file.sections()[i];
    if (file.rows_of(i) == 0) continue;
    const std::string rows =
        report::counted(file.rows_of(i), "row", "rows") + " of " + printable(section.table.text());
    std::string columns;
    for (const std::string& column : section.columns) columns += (columns.empty() ? "" : ", ") + column;
    out.push_back("  " + rows +
                  (section.change == Change::deleted    ? " will be put back"
                   : section.change == Change::inserted ? " will be deleted again"
                                                        : ": " + printable(columns) + " as before"));
  }
  return out;
}

struct Applied {
  std::uint64_t rows = 0;
  std::uint64_t already = 0;
};

// An act that is only just being done has to end first.
void refuse_running(const UndoStore& store, const UndoEntry& entry, const UndoHeader& header,
                    const catalog::DatabaseIdentity& here, Connection& connection) {
  if (entry.state != UndoState::pending || header.database.system_identifier != here.system_identifier)
    return;
  if (header.transaction.empty() && store.nobody_closes()) {
    throw Error(ExitCode::locked, printable(header.title) + ": " + header.act +
                                      " has changed nothing so far, and TeslaMate may still be at it")
        .with_state(nothing_changed)
        .with_hint("to undo something else, name it: teslamate-undo --list");
  }
  const bool running =
      header.transaction.empty() ||
      catalog::read_transaction_end(connection, header.transaction) == TransactionEnd::running;
  if (running)
    throw Error(ExitCode::locked, printable(entry.name) + " is being done at this moment")
        .with_state(nothing_changed);
}

// Everything is compared and put back in one transaction; a dry run rolls it back.
Applied apply(Connection& connection, const UndoReader& file, bool dry_run,
              const postgres::ConnectionSettings& database, report::Reporter& reporter) {
  postgres::Transaction transaction(connection, "ISOLATION LEVEL REPEATABLE READ");
  const catalog::Layout layout = catalog::read_layout(connection);
  std::vector<LoadedSection> sections = load_sections(connection, layout, file, reporter);
  const std::vector<std::string> conflicts = find_conflicts(connection, layout, sections, most_conflicts);
  if (!conflicts.empty()) refuse(conflicts);
  Applied out;
  for (const LoadedSection& s : sections) out.already += s.already;
  out.rows = apply_sections(connection, layout, sections);
  if (!dry_run) {
    const Error unknown =
        Error(ExitCode::needs_person, "the connection was lost at the very end")
            .with_state("it is not known whether it was undone")
            .with_hint("run it again once the database answers: what is as before is left alone");
    commit(transaction, connection, database, catalog::current_transaction(connection), unknown);
  }
  return out;
}

}  // namespace

std::optional<UndoEntry> settle(const UndoStore& store, const UndoEntry& entry, const UndoHeader& header,
                                Connection& connection, base::Time now) {
  if (header.database.system_identifier != catalog::read_identity(connection).system_identifier) return entry;
  if (header.transaction.empty()) {
    if (!store.nobody_closes()) return entry;
    return settle_close(store, entry, connection, now);
  }
  switch (catalog::read_transaction_end(connection, header.transaction)) {
    case TransactionEnd::committed: return UndoEntry{store.confirm(entry.path), entry.name, UndoState::done};
    case TransactionEnd::aborted: store.discard(entry.path); return std::nullopt;
    case TransactionEnd::running:
    case TransactionEnd::unknown: break;
  }
  return entry;
}

Outcome undo(const UndoOptions& options, const MaintenanceAdapters& adapters, report::Reporter& reporter,
             const std::stop_token& stop) {
  const UndoStore store(adapters.state_dir, adapters.seal);
  UndoEntry entry = store.find(options.wanted);
  const auto no_restore = keep_restores_out(adapters.state_dir);
  const base::FileLock lock = store.lock();
  Connection connection = Connection::open(adapters.database, stop);
  catalog::limit_lock_waits(connection, options.lock_timeout_ms);
  catalog::prefer_index_lookups(connection);
  const catalog::DatabaseIdentity here = catalog::read_identity(connection);
  if (entry.state == UndoState::pending) {
    const UndoHeader header = UndoReader(entry.path, adapters.seal).header();
    require_database(header, here);
    const auto settled = settle(store, entry, header, connection, adapters.clock.now());
    if (!settled) {
      throw Error(ExitCode::not_found,
                  printable(header.title) + ": " + header.act + " was cut off and never happened")
          .with_state(nothing_changed);
    }
    entry = *settled;
    refuse_running(store, entry, header, here, connection);
  }
  const UndoReader file(entry.path, adapters.seal);
  require_database(file.header(), here);
  const catalog::DatabaseIdentity& then = file.header().database;
  if (then.oid != here.oid || then.system_identifier != here.system_identifier) {
    reporter.note(
        "the database was replaced since, as by a restore: the rows are compared with those of now");
  }
  Outcome out;
  out.document = to_json(entry, file);
  out.document["dry_run"] = options.dry_run;
  for (const std::string& line : describe(file)) reporter.result(line);
  try {
    if (!options.dry_run) adapters.confirm("Undo this?");
    const Applied applied = apply(connection, file, options.dry_run, adapters.database, reporter);
    out.document["rows_changed"] = applied.rows;
    if (options.dry_run) {
      out.lines.emplace_back("nothing stands in the way; nothing was changed");
      return out;
    }
    out.lines.push_back(applied.rows == 0 && applied.already > 0
                            ? "it was all as before already; nothing was changed"
                            : "undone: " + report::counted(applied.rows, "row", "rows") + " as before");
  } catch (const DatabaseError& error) {
    rethrow_conflict(error, adapters.database, "what is to come back", nothing_changed);
  }
  if (entry.state != UndoState::undone && entry.path.parent_path() == store.folder()) {
    try {
      store.mark_undone(entry.path);
    } catch (const Error& error) {
      reporter.warning("it is undone, but the undo file keeps its name: " + error.message());
    }
  }
  return out;
}

Outcome list_undo(const MaintenanceAdapters& adapters, report::Reporter& reporter,
                  const std::stop_token& stop) {
  const UndoStore store(adapters.state_dir, adapters.seal);
  std::optional<Connection> connection;
  Outcome out;
  report::Table table({{"TIME", report::Align::left},
                       {"NAME", report::Align::left},
                       {"WHAT", report::Align::left},
                       {"", report::Align::left}});
  report::Json entries = report::Json::array();
  for (UndoEntry entry : store.list()) {
    try {
      const UndoReader file(entry.path, adapters.seal);
      if (entry.state == UndoState::pending) {
        try {
          if (!connection) connection = Connection::open(adapters.database, stop);
          const auto settled = settle(store, entry, file.header(), *connection, adapters.clock.now());
          if (!settled) continue;
          entry = *settled;
        } catch (const Error& error) {
          reporter.note("whether " + printable(entry.name) + " happened is not known: " + error.message());
        }
      }
      entries.push_back(to_json(entry, file));
      table.add_row({local_time_of(file.header()), entry.name, file.header().title,
                     entry.state == UndoState::done ? "" : std::string(name_of(entry.state))});
    } catch (const Error& error) {
      reporter.warning(printable(entry.name) + ": " + error.message());
    }
  }
  out.document["undo_files"] = std::move(entries);
  if (table.empty()) {
    reporter.note("there is nothing to undo in " + printable(store.folder().string()));
  } else {
    out.lines = table.lines();
  }
  return out;
}

}  // namespace tmb::teslamate
