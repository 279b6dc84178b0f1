// SPDX-License-Identifier: MIT
#include "teslamate/settings_merge.hh"

#include <array>

#include "base/error.hh"
#include "catalog/reader.hh"
#include "catalog/staging.hh"
#include "teslamate/commit.hh"
#include "teslamate/merge_maps.hh"
#include "teslamate/record_rows.hh"
#include "teslamate/settings_tables.hh"
#include "teslamate/undo_store.hh"

namespace tmb::teslamate {

using base::Error;
using base::ExitCode;
using base::printable;
using postgres::Connection;

namespace {

// A table whose rows that are there already become as the source has them: `all` columns but what TeslaMate
// keeps for itself, or one. `pairs` has its ids in both (old, new), `label` the row's name (alias l).
struct Updated {
  const char* table;
  const char* only_column;  // null: all
  const char* pairs;
  const char* label;
};

constexpr const char* of_map =
    "SELECT DISTINCT ON (new) old, new FROM pg_temp.map_%s WHERE act = 'same' ORDER BY new, old <> new, old";

struct Domain {
  const char* name;
  std::vector<std::string> tables;
  std::vector<Updated> updated;
};

std::vector<Domain> all_domains() {
  return {
      {"settings", {"settings"}, {{"settings", nullptr, of_map, "'settings'"}}},
      {"cars",
       {"car_settings", "cars"},
       {{"car_settings", nullptr,
         "SELECT s.settings_id AS old, c.settings_id AS new, c.id AS car FROM pg_temp.src_cars s JOIN "
         "pg_temp.map_cars m ON m.old = s.id AND m.act = 'same' JOIN public.cars c ON c.id = m.new",
         "(SELECT coalesce(nullif(c.name, ''), c.vin, c.id::text) FROM public.cars c WHERE c.settings_id = "
         "l.id)"},
        {"cars", "display_priority", of_map, "coalesce(nullif(l.name, ''), l.vin, l.id::text)"}}},
      {"geofences", {"geofences"}, {{"geofences", nullptr, of_map, "l.name"}}},
      {"addresses", {"addresses"}, {}}};
}

// The rows of one table that are there and differ, and what of them.
class Changes {
 public:
  Changes(Connection& connection, const catalog::Layout& layout, const RowSource& source,
          const Updated& updated)
      : connection_(connection), table_(updated.table) {
    for (const std::string& column : source.columns(table_)) {
      const bool wanted = updated.only_column != nullptr
                              ? column == updated.only_column
                              : column != "id" && column != "inserted_at" && column != "updated_at";
      if (wanted && layout.has({"public", table_}, column)) columns_.push_back(column);
    }
    std::string pairs = updated.pairs;
    if (const auto at = pairs.find("%s"); at != std::string::npos) pairs.replace(at, 2, table_);
    from_ = " FROM public." + table_ + " l JOIN (" + pairs + ") p ON p.new = l.id JOIN pg_temp.src_" +
            table_ + " s ON s.id = p.old WHERE (" + list("l.") + ") IS DISTINCT FROM (" + list("s.") + ")";
    label_ = updated.label;
  }

  bool none() const { return columns_.empty(); }

  // Which of the columns, of which row, from what to what.
  postgres::Result cells() const {
    std::string names;
    for (const std::string& column : columns_)
      names += (names.empty() ? "" : ", ") + connection_.literal(column);
    return connection_.query("SELECT l.id, " + label_ +
                             ", o.key, o.value, n.value FROM (SELECT l AS row_l, s AS row_s" + from_ +
                             ") x CROSS JOIN LATERAL (SELECT (x.row_l).*) l CROSS JOIN LATERAL "
                             "jsonb_each_text(to_jsonb(x.row_l)) o JOIN LATERAL "
                             "jsonb_each_text(to_jsonb(x.row_s)) n ON n.key = o.key WHERE o.key IN (" +
                             names + ") AND o.value IS DISTINCT FROM n.value ORDER BY l.id, o.key");
  }

  void record(UndoWriter& writer) const {
    writer.begin({{"public", table_}, Change::changed, {"id"}, columns_});
    connection_.copy_out("COPY (SELECT l.id, " + list("l.") + ", " + list("s.") + from_ + ") TO STDOUT",
                         [&](std::string_view line) { writer.row(line); });
    writer.end();
  }

  std::uint64_t execute() const {
    return connection_
        .query("UPDATE public." + table_ + " t SET (" + list("") + ") = ROW(" + list("x.") +
               ") FROM (SELECT l.id, " + list("s.") + from_ + ") x WHERE x.id = t.id")
        .affected();
  }

 private:
  std::string list(const char* prefix) const { return column_list(connection_, columns_, prefix); }

  Connection& connection_;
  std::string table_;
  std::vector<std::string> columns_;
  std::string from_;
  std::string label_;
};

struct Done {
  std::uint64_t inserted = 0;
  std::uint64_t changed = 0;
};

std::string shown(const postgres::Result& cells, int row, int column) {
  return cells.is_null(row, column) ? "nothing" : printable(cells.string(row, column).substr(0, 60));
}

// Tells the cells that change; returns how many rows they are of.
std::uint64_t describe_changes(const Changes& changes, report::Json& list, report::Reporter& reporter) {
  const postgres::Result cells = changes.cells();
  std::uint64_t rows = 0;
  for (int row = 0; row < cells.rows(); ++row) {
    if (row == 0 || cells.integer(row, 0) != cells.integer(row - 1, 0)) ++rows;
    const auto value = [&](int column) {
      return cells.is_null(row, column) ? report::Json() : report::Json(cells.string(row, column));
    };
    list.push_back({{"row", cells.string(row, 1)},
                    {"column", cells.string(row, 2)},
                    {"from", value(3)},
                    {"to", value(4)}});
    reporter.result("    " + printable(cells.string(row, 1)) + ": " + cells.string(row, 2) + " from " +
                    shown(cells, row, 3) + " to " + shown(cells, row, 4));
  }
  return rows;
}

class Merge {
 public:
  Merge(const SettingsOptions& options, RowSource& source, const MaintenanceAdapters& adapters,
        Connection& connection, report::Reporter& reporter)
      : options_(options),
        source_(source),
        adapters_(adapters),
        connection_(connection),
        reporter_(reporter) {}

  // One domain, in a transaction of its own.
  void run(const Domain& domain) {
    postgres::Transaction transaction(connection_, "ISOLATION LEVEL REPEATABLE READ");
    require_schema(connection_, source_);
    const catalog::Layout layout = catalog::read_layout(connection_);
    const MergeOptions none;
    MergeMaps maps(connection_, layout, none, source_);
    maps.build_settings(domain.tables);
    std::vector<Changes> changes;
    for (const Updated& updated : domain.updated) {
      Changes of_table(connection_, layout, source_, updated);
      if (!of_table.none()) changes.push_back(std::move(of_table));
    }
    const Done wanted = describe(domain, maps, changes);
    if (options_.dry_run || wanted.inserted + wanted.changed == 0) return;

    const UndoStore store(adapters_.state_dir, adapters_.seal);
    const UndoHeader header = header_for(domain);
    UndoStore::Pending pending = store.begin(header, adapters_.clock.now());
    for (const Changes& of_table : changes) of_table.record(*pending.writer);
    Done done;
    for (const Changes& of_table : changes) done.changed += of_table.execute();
    done.inserted = maps.execute();
    if (done.inserted != wanted.inserted || done.changed != wanted.changed)
      throw Error(ExitCode::refused, "the database took another number of rows");
    maps.record_inserted(*pending.writer);
    pending.writer->publish();
    const base::Path undo =
        commit(store, transaction, connection_, adapters_, header, pending.path, reporter_);
    out_.document["domains"].back()["undo_file"] = undo.string();
    out_.lines.push_back(std::string(domain.name) + ": " + words(done) + "; undo with: teslamate-undo " +
                         undo.stem().string());
  }

  Outcome& outcome() { return out_; }

 private:
  static std::string words(const Done& done) {
    return report::counted(done.inserted, "row", "rows") + " added, " + report::grouped(done.changed) +
           " changed";
  }

  Done describe(const Domain& domain, MergeMaps& maps, const std::vector<Changes>& changes) {
    Done wanted;
    std::uint64_t there = 0;
    for (const std::string& table : domain.tables) {
      const MergeMaps::Counts n = maps.counts(table);
      wanted.inserted += n.inserted;
      there += n.there;
    }
    report::Json list = report::Json::array();
    reporter_.result(std::string(domain.name) + ": " + report::counted(wanted.inserted, "row", "rows") +
                     " to add, " + report::grouped(there) + " there");
    for (const Changes& of_table : changes) wanted.changed += describe_changes(of_table, list, reporter_);
    out_.document["domains"].push_back({{"domain", domain.name},
                                        {"inserted", wanted.inserted},
                                        {"there", there},
                                        {"changed", wanted.changed},
                                        {"changes", std::move(list)},
                                        {"undo_file", nullptr}});
    return wanted;
  }

  UndoHeader header_for(const Domain& domain) const {
    UndoHeader header;
    header.act = std::string("restore-settings-") + domain.name;
    header.title = std::string(domain.name) + " from " + source_.describe();
    header.time = base::iso_utc(adapters_.clock.now());
    header.database = catalog::read_identity(connection_);
    header.transaction = catalog::current_transaction(connection_);
    return header;
  }

  const SettingsOptions& options_;
  RowSource& source_;
  const MaintenanceAdapters& adapters_;
  Connection& connection_;
  report::Reporter& reporter_;
  Outcome out_;
};

}  // namespace

Outcome merge_settings(const SettingsOptions& options, RowSource& source, const MaintenanceAdapters& adapters,
                       report::Reporter& reporter, const std::stop_token& stop) {
  const auto no_restore = keep_restores_out(adapters.state_dir);
  Connection connection = Connection::open(adapters.database, stop);
  catalog::limit_lock_waits(connection, options.lock_timeout_ms);
  for (const std::string_view table : settings_tables) {
    if (!source.columns(std::string(table)).empty()) continue;
    throw Error(ExitCode::unsupported, source.describe() + " has no table " + std::string(table) +
                                           ": it is of a TeslaMate too old for its settings alone")
        .with_state("nothing was changed")
        .with_hint("restore it whole: teslamate-restore --as-database NAME");
  }
  Merge merge(options, source, adapters, connection, reporter);
  Outcome& out = merge.outcome();
  out.document["source"] = source.describe();
  out.document["dry_run"] = options.dry_run;
  out.document["domains"] = report::Json::array();
  for (const Domain& domain : all_domains()) {
    try {
      merge.run(domain);
    } catch (Error& error) {
      for (const std::string& line : out.lines) reporter.result(line);
      error.with_context(std::string("the ") + domain.name);
      throw Error(error.with_state(
          out.lines.empty() ? "nothing was changed" : "the lines above were done; the rest was not changed"));
    }
  }
  if (options.dry_run) {
    out.lines.emplace_back("nothing was changed");
  } else if (out.lines.empty()) {
    out.lines.emplace_back("everything is as the backup has it already; nothing was changed");
  } else {
    reporter.note("TeslaMate keeps its settings in memory: restart it, so that it sees these");
  }
  return out;
}

}  // namespace tmb::teslamate
