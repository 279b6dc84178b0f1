// SPDX-License-Identifier: MIT
#include "teslamate/merge.hh"

#include "base/error.hh"
#include "catalog/reader.hh"
#include "catalog/staging.hh"
#include "report/table.hh"
#include "teslamate/commit.hh"
#include "teslamate/merge_maps.hh"
#include "teslamate/record_rows.hh"
#include "teslamate/records.hh"
#include "teslamate/undo_store.hh"

namespace tmb::teslamate {

using base::Error;
using base::ExitCode;
using postgres::Connection;
using postgres::DatabaseError;

namespace {

constexpr const char* nothing_changed = "nothing was changed";

// The records that were asked for and what becomes of each: id, start, act, new id, what it would double.
void describe_records(Connection& connection, const char* table, const char* what, Outcome& out,
                      report::Reporter& reporter) {
  const std::string map = std::string("pg_temp.map_") + table;
  const postgres::Result rows = connection.query(
      std::string("SELECT m.old, s.start_date, coalesce(nullif(c.name, ''), c.vin, ''), m.act, m.other, "
                  "EXISTS (SELECT "
                  "FROM public.") +
      table + " l WHERE l.id = m.old) FROM " + map + " m JOIN pg_temp.src_" + table +
      " s ON s.id = m.old LEFT JOIN pg_temp.src_cars c ON c.id = s.car_id ORDER BY s.start_date, m.old");
  constexpr int most_lines = 40;
  report::Json list = report::Json::array();
  for (int row = 0; row < rows.rows(); ++row) {
    const std::string act = rows.string(row, 3);
    list.push_back({{"id", rows.integer(row, 0)},
                    {"start", rows.string(row, 1)},
                    {"act", act},
                    {"instead_of", act == "skip" ? report::Json(rows.string(row, 4)) : report::Json()}});
    if (row == most_lines) {
      reporter.result("… and " +
                      report::counted(static_cast<std::uint64_t>(rows.rows() - most_lines), "more", "more"));
    }
    if (row >= most_lines) continue;
    std::string line = std::string(what) + " " + rows.string(row, 0) + " of " +
                       base::printable(rows.text(row, 2)) + ", " +
                       base::printable(local_moment(rows.string(row, 1))) + ": ";
    if (act == "same") {
      line += "is there";
    } else if (act == "skip") {
      line += rows.is_null(row, 4) ? "left out: it was still open"
                                   : "left out: it overlaps " + std::string(what) + " " +
                                         rows.string(row, 4) + " (--allow-overlap takes it all the same)";
    } else {
      line += rows.boolean(row, 5) ? "comes back under a new id: another one has its own" : "comes back";
    }
    reporter.result(line);
  }
  out.document[std::string(what) + "s"] = std::move(list);
}

struct Totals {
  std::uint64_t inserted = 0;
  std::uint64_t skipped = 0;
  std::uint64_t detached = 0;
};

Totals describe_tables(MergeMaps& maps, Outcome& out, report::Reporter& reporter) {
  Totals totals;
  report::Json tables = report::Json::array();
  for (const std::string& table : merged_tables) {
    const MergeMaps::Counts n = maps.counts(table);
    totals.inserted += n.inserted;
    totals.skipped += n.skipped;
    if (n.inserted + n.there + n.skipped == 0) continue;
    tables.push_back({{"table", table},
                      {"inserted", n.inserted},
                      {"renumbered", n.renumbered},
                      {"there", n.there},
                      {"skipped", n.skipped}});
    std::string line = "  " + table + ": " + report::counted(n.inserted, "row comes", "rows come") + " back";
    if (n.renumbered > 0) line += " (" + report::grouped(n.renumbered) + " with a new id)";
    if (n.there > 0) line += ", " + report::grouped(n.there) + " there";
    if (n.skipped > 0) line += ", " + report::grouped(n.skipped) + " left out";
    reporter.result(line);
  }
  totals.detached = maps.detached();
  if (totals.detached > 0) {
    reporter.result(
        "  " +
        report::counted(totals.detached, "position that is there goes", "positions that are there go") +
        " back into its drive");
  }
  out.document["tables"] = std::move(tables);
  out.document["positions_put_back_into_drives"] = totals.detached;
  return totals;
}

// Positions that a deletion had left without their drive.
void reattach(Connection& connection, UndoWriter& writer, std::uint64_t expected) {
  if (expected == 0) return;
  const postgres::Result rows = connection.query(
      "UPDATE public.positions p SET drive_id = d.new FROM pg_temp.src_positions s JOIN "
      "pg_temp.map_positions m ON "
      "m.old = s.id AND m.act = 'same' JOIN pg_temp.map_drives d ON d.old = s.drive_id AND d.act = 'insert' "
      "WHERE p.id = "
      "m.new AND p.drive_id IS NULL RETURNING p.id, p.drive_id");
  writer.begin({{"public", "positions"}, Change::changed, {"id"}, {"drive_id"}});
  for (int row = 0; row < rows.rows(); ++row) {
    writer.row(rows.string(row, 0) + "\t\\N\t" + rows.string(row, 1) + "\n");
  }
  writer.end();
}

std::string title_of(const MergeOptions& options, const RowSource& source) {
  std::string what;
  const auto add = [&](const char* name, const Ids& ids) {
    if (!ids.empty()) what += (what.empty() ? "" : ", ") + named(name, ids);
  };
  add("drive", options.drives);
  add("charge", options.charges);
  add("car", options.cars);
  if (!options.since.empty()) what += (what.empty() ? "" : ", ") + ("since " + options.since);
  if (!options.until.empty()) what += (what.empty() ? "" : ", ") + ("until " + options.until);
  return what + " from " + source.describe();
}

Ids first_ids(const MergeOptions& options) {
  return !options.drives.empty() ? options.drives : !options.charges.empty() ? options.charges : options.cars;
}

UndoHeader header_for(Connection& connection, const MergeOptions& options, const RowSource& source,
                      base::Time now) {
  UndoHeader header;
  header.act = "restore-rows";
  header.title = title_of(options, source);
  header.ids = first_ids(options);
  header.time = base::iso_utc(now);
  header.database = catalog::read_identity(connection);
  header.transaction = catalog::current_transaction(connection);
  return header;
}

Outcome merge(const MergeOptions& options, RowSource& source, const MaintenanceAdapters& adapters,
              Connection& connection, report::Reporter& reporter) {
  Outcome out;
  postgres::Transaction transaction(connection, "ISOLATION LEVEL REPEATABLE READ");
  require_schema(connection, source);
  const catalog::Layout layout = catalog::read_layout(connection);
  MergeMaps maps(connection, layout, options, source);
  maps.build(reporter);
  describe_records(connection, "drives", "drive", out, reporter);
  describe_records(connection, "charging_processes", "charge", out, reporter);
  const Totals totals = describe_tables(maps, out, reporter);
  out.document["source"] = source.describe();
  out.document["dry_run"] = options.dry_run;
  out.document["rows"] = totals.inserted;
  if (options.dry_run || totals.inserted + totals.detached == 0) {
    out.lines.emplace_back(options.dry_run ? nothing_changed
                                           : "there is nothing to bring back; nothing was changed");
    return out;
  }
  const UndoStore store(adapters.state_dir, adapters.seal);
  const base::Time now = adapters.clock.now();
  const UndoHeader header = header_for(connection, options, source, now);
  UndoStore::Pending pending = store.begin(header, now);
  reporter.begin_phase("inserting", "into " + base::printable(header.database.name), 0, report::Unit::rows);
  if (maps.execute() != totals.inserted)
    throw Error(ExitCode::refused, "the database took another number of rows").with_state(nothing_changed);
  reattach(connection, *pending.writer, totals.detached);
  maps.record_inserted(*pending.writer);
  pending.writer->publish();
  const base::Path undo = commit(store, transaction, connection, adapters, header, pending.path, reporter);
  reporter.end_phase(report::counted(totals.inserted, "row", "rows"));
  out.document["undo_file"] = undo.string();
  out.lines.push_back("brought back " + report::counted(totals.inserted, "row", "rows") +
                      "; undo with: teslamate-undo " + undo.stem().string());
  return out;
}

bool is_number(std::string_view text) {
  return text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

std::string parse_moment(const std::string& text, const std::string& flag) {
  if (text.empty()) return "";
  std::string full = text;
  if (full.size() == 10) full += " 00:00:00";
  if (full.size() == 16) full += ":00";
  if (full.size() == 19 && full[10] == 'T') full[10] = ' ';
  try {
    if (full.size() != 19 || full[10] != ' ' || !is_number(full.substr(0, 4)))
      throw Error(ExitCode::damaged, "not a time");
    base::parse_iso_utc(full.substr(0, 10) + "T" + full.substr(11) + "Z");
  } catch (const Error&) {
    throw Error(ExitCode::usage,
                flag + " is a day or a moment (UTC) such as 2026-05-01 or \"2026-05-01 08:30\", not '" +
                    base::printable(text) + "'");
  }
  return full;
}

Outcome merge_rows(const MergeOptions& options, RowSource& source, const MaintenanceAdapters& adapters,
                   report::Reporter& reporter, const std::stop_token& stop) {
  const auto no_restore = keep_restores_out(adapters.state_dir);
  Connection connection = Connection::open(adapters.database, stop);
  catalog::limit_lock_waits(connection, options.lock_timeout_ms);
  try {
    return merge(options, source, adapters, connection, reporter);
  } catch (const DatabaseError& error) {
    const bool retry = error.sqlstate() == "40001" || error.sqlstate() == "40P01" ||
                       error.sqlstate() == "55P03" || error.sqlstate() == "23505";
    Error out = retry ? Error(ExitCode::refused,
                              "TeslaMate or another session was at work on the same rows: " + error.message())
                            .with_hint("run it again")
                      : Error(error);
    throw Error(out.with_state(nothing_changed));
  }
}

}  // namespace tmb::teslamate
