// SPDX-License-Identifier: MIT
#include "teslamate/merge_maps.hh"

#include <algorithm>

#include "base/error.hh"
#include "catalog/reader.hh"
#include "teslamate/record_rows.hh"
#include "teslamate/records.hh"

namespace tmb::teslamate {

using base::Error;
using base::ExitCode;
using catalog::Relation;

namespace {

std::string src(const std::string& table) { return "pg_temp.src_" + table; }
std::string map(const std::string& table) { return "pg_temp.map_" + table; }
std::string live(const std::string& table) { return "public." + table; }

constexpr const char* same_address =
    "(l.osm_id = s.osm_id AND l.osm_type = s.osm_type) OR (l.id = s.id AND l.display_name IS NOT DISTINCT "
    "FROM s.display_name AND l.latitude IS NOT DISTINCT FROM s.latitude AND l.longitude IS NOT DISTINCT FROM "
    "s.longitude)";

// Which of the tables a foreign key of `table` points at, among those that are merged.
const catalog::ForeignKey* key_of(const catalog::Layout& layout, const std::string& table,
                                  const std::string& column) {
  for (const catalog::ForeignKey& key : layout.foreign_keys) {
    if (key.table == Relation{"public", table} && key.columns == std::vector<std::string>{column} &&
        key.referenced.schema == "public" && std::ranges::count(merged_tables, key.referenced.name) > 0) {
      return &key;
    }
  }
  return nullptr;
}

}  // namespace

void require_schema(postgres::Connection& connection, const RowSource& source) {
  const std::string here = catalog::read_migration_version(connection);
  const std::string there = source.migration_version();
  const bool newer = there.size() > here.size() || (there.size() == here.size() && there > here);
  if (!newer) return;
  throw Error(ExitCode::unsupported,
              source.describe() + " has the schema " + there + ", the live database " + here)
      .with_state("nothing was changed")
      .with_hint("update TeslaMate first");
}

std::size_t MergeMaps::column_of(const std::string& table, const std::string& column) const {
  const auto columns = source_.columns(table);
  const auto found = std::ranges::find(columns, column);
  if (found == columns.end()) {
    throw Error(ExitCode::unsupported, source_.describe() + " has no " + table + "." + column +
                                           ": it is of a TeslaMate too old for single rows")
        .with_hint("restore it whole: teslamate-restore --as-database NAME");
  }
  return static_cast<std::size_t>(found - columns.begin());
}

void MergeMaps::load(const std::string& table, const RowFilter& filter) {
  std::string columns;
  for (const std::string& column : source_.columns(table)) {
    const std::string name = connection_.identifier(column);
    // What the live table does not have any more is read and dropped.
    columns += (columns.empty() ? "" : ", ") +
               (layout_.has({"public", table}, column) ? name : "NULL::text AS " + name);
  }
  connection_.execute("CREATE TEMPORARY TABLE src_" + table + " ON COMMIT DROP AS SELECT " +
                      (columns.empty() ? "*" : columns) + " FROM " + live(table) + " WITH NO DATA");
  if (columns.empty()) return;
  connection_.begin_copy_in("COPY " + src(table) + " FROM STDIN");
  source_.scan(table, filter, [&](std::string_view rows) { connection_.send_copy_data(rows); });
  connection_.finish_copy_in();
  connection_.execute("ANALYZE " + src(table));
}

void MergeMaps::create_map(const std::string& table, const std::string& select) {
  connection_.execute("CREATE TEMPORARY TABLE map_" + table +
                      " (old int8 PRIMARY KEY, new int8, act text, other int8) ON COMMIT DROP");
  if (!select.empty()) connection_.execute("INSERT INTO " + map(table) + " " + select);
  connection_.execute("ANALYZE " + map(table));
}

std::unordered_set<std::string> MergeMaps::text_set(const std::string& query) {
  const postgres::Result rows = connection_.query(query);
  std::unordered_set<std::string> out;
  for (int row = 0; row < rows.rows(); ++row) out.insert(rows.string(row, 0));
  return out;
}

// The condition for rows (alias s) of a table with car_id and start_date that were asked for.
std::string MergeMaps::selected(const std::string& ids_column, const Ids& ids) const {
  std::string time = "true";
  if (!options_.since.empty()) time += " AND s.start_date >= " + connection_.literal(options_.since);
  if (!options_.until.empty()) time += " AND s.start_date < " + connection_.literal(options_.until);
  std::string out = ids_column.empty() || ids.empty()
                        ? "false"
                        : "s." + ids_column + " = ANY ('" + array_literal(ids) + "'::int8[]::int4[])";
  if (!options_.cars.empty()) {
    out += " OR (s.car_id::int8 = ANY ('" + array_literal(options_.cars) + "'::int8[]) AND " + time + ")";
  } else if (options_.drives.empty() && options_.charges.empty()) {
    out += " OR (" + time + ")";
  }
  return "(" + out + ")";
}

void MergeMaps::require_found(const Ids& ids, const char* table, const char* what) {
  if (ids.empty()) return;
  column_of(table, "id");
  const postgres::Result rows = connection_.query(
      "SELECT id FROM " + src(table) + " WHERE id::int8 = ANY ($1::int8[])", {array_literal(ids)});
  Ids found;
  for (int row = 0; row < rows.rows(); ++row) found.push_back(rows.integer(row, 0));
  try {
    require_all(found, ids, what);
  } catch (Error& error) {
    throw error.with_context(source_.describe());
  }
}

// A car is the same by its number at Tesla, or by its VIN. `needed`: the condition for rows (alias s).
void MergeMaps::map_cars(const std::string& needed) {
  create_map("cars",
             "SELECT s.id, l.id, CASE WHEN l.id IS NULL THEN 'insert' ELSE 'same' END FROM " + src("cars") +
                 " s LEFT JOIN LATERAL (SELECT c.id FROM public.cars c WHERE c.eid = s.eid OR c.vin = s.vin "
                 "ORDER BY c.eid = s.eid DESC LIMIT 1) l ON true WHERE " +
                 needed);
  create_map("car_settings",
             "SELECT s.settings_id, NULL, 'insert' FROM " + src("cars") + " s JOIN " + map("cars") +
                 " m ON m.old = s.id WHERE m.act = 'insert' AND s.settings_id IN (SELECT id FROM " +
                 src("car_settings") + ") GROUP BY 1");
}

// Tables of what one car did from start_date to end_date, one after the other.
void MergeMaps::map_timed(const std::string& table, const std::string& condition, bool silent) {
  const std::string overlap =
      "o.car_id::int8 = mc.new AND (o.start_date = s.start_date OR (o.start_date < coalesce(s.end_date, "
      "s.start_date) "
      "AND coalesce(o.end_date, o.start_date) > s.start_date))";
  // What has no end in the source went on after it: as history it would be wrong.
  const std::string open = silent ? " WHEN s.end_date IS NULL AND mc.act = 'same' THEN 'skip'" : "";
  create_map(
      table,
      "SELECT s.id, l.id, CASE WHEN l.id IS NOT NULL THEN 'same'" + open +
          (options_.allow_overlap && !silent ? "" : " WHEN d.id IS NOT NULL THEN 'skip'") +
          " ELSE 'insert' END, d.id FROM " + src(table) + " s JOIN " + map("cars") +
          " mc ON mc.old = s.car_id LEFT JOIN " + live(table) +
          " l ON l.id = s.id AND l.car_id::int8 = mc.new AND l.start_date = s.start_date LEFT JOIN LATERAL "
          "(SELECT o.id FROM " +
          live(table) + " o WHERE " + overlap + " ORDER BY o.id LIMIT 1) d ON true WHERE " + condition);
}

// Addresses and geofences that inserted rows use. `same` compares s with l.
void MergeMaps::map_places(const std::string& table, const std::string& used, const std::string& same) {
  create_map(table, "SELECT s.id, l.id, CASE WHEN l.id IS NULL THEN 'insert' ELSE 'same' END FROM " +
                        src(table) + " s LEFT JOIN LATERAL (SELECT l.id FROM " + live(table) + " l WHERE " +
                        same + " ORDER BY l.id = s.id DESC, l.id LIMIT 1) l ON true WHERE s.id IN (" + used +
                        ")");
}

void MergeMaps::load_positions(report::Reporter& reporter) {
  const std::string drives = "SELECT d.%s::text FROM " + src("drives") + " d JOIN " + map("drives") +
                             " m ON m.old = d.id WHERE m.act = 'insert' AND d.%s IS NOT NULL";
  const auto of_drives = [&](const std::string& column) {
    std::string query = drives;
    for (std::size_t at = 0; (at = query.find("%s")) != std::string::npos;) query.replace(at, 2, column);
    return text_set(query);
  };
  RowFilter filter;
  filter.any_of.push_back({column_of("positions", "drive_id"), of_drives("id")});
  auto ids = of_drives("start_position_id");
  ids.merge(of_drives("end_position_id"));
  ids.merge(text_set("SELECT p.position_id::text FROM " + src("charging_processes") + " p JOIN " +
                     map("charging_processes") + " m ON m.old = p.id WHERE m.act = 'insert'"));
  filter.any_of.push_back({column_of("positions", "id"), std::move(ids)});
  if (options_.drives.empty() && options_.charges.empty()) {
    filter.within =
        RowFilter::Values{column_of("positions", "car_id"), text_set("SELECT old::text FROM " + map("cars"))};
    filter.date_column = column_of("positions", "date");
    filter.since = options_.since;
    filter.until = options_.until;
  } else if (!options_.cars.empty()) {
    filter.within = RowFilter::Values{column_of("positions", "car_id"), {}};
    for (const std::int64_t car : options_.cars) filter.within->values.insert(std::to_string(car));
    filter.date_column = column_of("positions", "date");
    filter.since = options_.since;
    filter.until = options_.until;
  }
  reporter.detail("looking for positions");
  load("positions", filter);
}

void MergeMaps::map_positions() {
  // By its id, or by car and moment under another id; then its drive's fate is its own.
  const std::string columns = "SELECT p.id, p.date, p.car_id, p.drive_id FROM public.positions p ";
  std::string query = columns + "JOIN " + src("positions") + " s ON s.id = p.id";
  const postgres::Result span = connection_.query("SELECT min(date), max(date) FROM " + src("positions"));
  if (!span.is_null(0, 0)) {
    // As literals: the planner then sees how few rows lie between them.
    query += " UNION " + columns + "WHERE p.date >= " + connection_.literal(span.text(0, 0)) +
             " AND p.date <= " + connection_.literal(span.text(0, 1));
  }
  connection_.execute("CREATE TEMPORARY TABLE live_positions ON COMMIT DROP AS " + query);
  connection_.execute("ANALYZE pg_temp.live_positions");
  create_map("positions",
             "SELECT DISTINCT ON (s.id) s.id, coalesce(a.id, b.id), CASE WHEN a.id IS NOT NULL OR b.id IS "
             "NOT NULL THEN "
             "'same' WHEN md.act = 'skip' THEN 'skip' ELSE 'insert' END, NULL::int8 FROM " +
                 src("positions") + " s JOIN " + map("cars") + " mc ON mc.old = s.car_id LEFT JOIN " +
                 map("drives") +
                 " md ON md.old = s.drive_id LEFT JOIN pg_temp.live_positions a ON a.id = s.id AND a.date = "
                 "s.date AND "
                 "a.car_id::int8 = mc.new LEFT JOIN pg_temp.live_positions b ON b.date = s.date AND "
                 "b.car_id::int8 = "
                 "mc.new AND a.id IS NULL ORDER BY s.id, b.id");
}

void MergeMaps::map_charges() {
  RowFilter filter;
  filter.any_of.push_back(
      {column_of("charges", "charging_process_id"),
       text_set("SELECT old::text FROM " + map("charging_processes") + " WHERE act = 'insert'")});
  load("charges", filter);
  create_map("charges",
             "SELECT s.id, l.id, CASE WHEN l.id IS NULL THEN 'insert' ELSE 'same' END, NULL::int8 FROM " +
                 src("charges") + " s JOIN " + map("charging_processes") +
                 " m ON m.old = s.charging_process_id LEFT JOIN public.charges l ON l.id = s.id AND l.date = "
                 "s.date AND l.charging_process_id::int8 = m.new");
}

void MergeMaps::build(report::Reporter& reporter) {
  for (const char* table :
       {"cars", "car_settings", "drives", "charging_processes", "addresses", "geofences"}) {
    load(table, {});
  }
  require_found(options_.drives, "drives", "drive");
  require_found(options_.charges, "charging_processes", "charge");
  require_found(options_.cars, "cars", "car");
  const std::string cars =
      options_.cars.empty() ? "false" : "s.id::int8 = ANY ('" + array_literal(options_.cars) + "'::int8[])";
  map_cars(cars + " OR s.id IN (SELECT car_id FROM " + src("drives") + " s WHERE " +
           selected("id", options_.drives) + ") OR s.id IN (SELECT car_id FROM " + src("charging_processes") +
           " s WHERE " + selected("id", options_.charges) + ")");
  map_timed("drives", selected("id", options_.drives), false);
  map_timed("charging_processes", selected("id", options_.charges), false);
  const auto used = [&](const std::string& table, const std::string& column) {
    return "SELECT s." + column + " FROM " + src(table) + " s JOIN " + map(table) +
           " m ON m.old = s.id WHERE m.act = 'insert'";
  };
  map_places("addresses",
             used("drives", "start_address_id") + " UNION " + used("drives", "end_address_id") + " UNION " +
                 used("charging_processes", "address_id"),
             same_address);
  map_places("geofences",
             used("drives", "start_geofence_id") + " UNION " + used("drives", "end_geofence_id") + " UNION " +
                 used("charging_processes", "geofence_id"),
             "l.name = s.name AND (l.id = s.id OR (l.latitude = s.latitude AND l.longitude = s.longitude))");
  load_positions(reporter);
  map_positions();
  map_charges();
  const bool whole_cars = !options_.cars.empty() || (options_.drives.empty() && options_.charges.empty());
  for (const char* table : {"states", "updates"}) {
    RowFilter none;
    none.any_of.push_back({0, {}});
    load(table, whole_cars ? RowFilter{} : none);
    map_timed(table, whole_cars ? selected("", {}) : "false", true);
  }
}

void MergeMaps::build_settings(const std::vector<std::string>& tables) {
  tables_ = tables;
  const auto all_of = [](const std::string& table) { return "SELECT id FROM " + src(table); };
  for (const std::string& table : tables_) {
    column_of(table, "id");
    load(table, {});
    if (table == "cars") {
      column_of("cars", "settings_id");
      map_cars("true");
    } else if (table == "geofences") {
      // One that was moved a little is the same place: about a kilometre.
      map_places(table, all_of(table),
                 "l.name = s.name AND abs(l.latitude - s.latitude) < 0.01 AND abs(l.longitude - s.longitude) "
                 "< 0.01");
    } else if (table == "addresses") {
      map_places(table, all_of(table), same_address);
    } else if (table == "settings") {  // TeslaMate has one row of them
      map_places(table, "SELECT min(id) FROM " + src(table), "true");
    }
  }
}

MergeMaps::Counts MergeMaps::counts(const std::string& table) {
  const postgres::Result r = connection_.query(
      "SELECT count(*) FILTER (WHERE act = 'insert'), count(*) FILTER (WHERE act = 'same'), count(*) "
      "FILTER (WHERE act = 'skip'), count(*) FILTER (WHERE act = 'insert' AND (new <> old OR (new IS "
      "NULL AND EXISTS (SELECT FROM " +
      live(table) + " l WHERE l.id = old)))) FROM " + map(table));
  const auto number = [&](int column) { return static_cast<std::uint64_t>(r.integer(0, column)); };
  return {number(0), number(1), number(2), number(3)};
}

std::uint64_t MergeMaps::detached() {
  return static_cast<std::uint64_t>(connection_
                                        .query("SELECT count(*) FROM " + src("positions") + " s JOIN " +
                                               map("positions") +
                                               " m ON m.old = s.id AND m.act = 'same' JOIN " + map("drives") +
                                               " d ON d.old = s.drive_id AND d.act = 'insert' JOIN "
                                               "public.positions p ON p.id = m.new AND p.drive_id IS "
                                               "NULL")
                                        .integer(0, 0));
}

// Its own where it is free, else a new one; the sequence first, so that neither TeslaMate nor we hand out one
// that is just being used.
void MergeMaps::give_ids(const std::string& table) {
  const std::string sequence = catalog::sequence_of(connection_, {"public", table}, "id");
  connection_.execute("UPDATE " + map(table) +
                      " m SET new = m.old WHERE m.act = 'insert' AND NOT EXISTS (SELECT FROM " + live(table) +
                      " l WHERE l.id = m.old)");
  if (sequence.empty()) {
    throw Error(ExitCode::unsupported, "the ids of public." + table + " come from no sequence");
  }
  const std::string name = connection_.literal(sequence) + "::regclass";
  connection_.execute("SELECT setval(" + name + ", m.top) FROM (SELECT greatest((SELECT max(new) FROM " +
                      map(table) + " WHERE act = 'insert'), (SELECT max(id)::int8 FROM " + live(table) +
                      ")) AS top) m, " + sequence + " s WHERE m.top > s.last_value");
  connection_.execute("UPDATE " + map(table) + " SET new = nextval(" + name +
                      ") WHERE act = 'insert' AND new IS NULL");
}

std::string MergeMaps::insert_statement(const std::string& table) const {
  std::string columns;
  std::string values;
  std::string joins;
  for (const std::string& column : source_.columns(table)) {
    if (!layout_.has({"public", table}, column)) continue;
    const std::string name = connection_.identifier(column);
    columns += (columns.empty() ? "" : ", ") + name;
    std::string value = "s." + name;
    if (column == "id") {
      value = "m.new";
    } else if (const catalog::ForeignKey* key = key_of(layout_, table, column); key != nullptr) {
      const std::string alias = "k" + std::to_string(joins.size());
      const auto of_alias = [&](const char* what) { return alias + what; };
      joins += " LEFT JOIN " + map(key->referenced.name) + " " + of_alias(" ON ") + of_alias(".old = s.");
      joins += name + " AND " + of_alias(".new IS NOT NULL");
      value = alias + ".new";
    }
    values += (values.empty() ? "" : ", ") + value;
  }
  return "INSERT INTO " + live(table) + " (" + columns + ") SELECT " + values + " FROM " + src(table) +
         " s JOIN " + map(table) + " m ON m.old = s.id AND m.act = 'insert'" + joins + " RETURNING 1";
}

std::uint64_t MergeMaps::execute() {
  std::string parts;
  std::string sum;
  for (const std::string& table : tables_) {
    const Counts wanted = counts(table);
    if (wanted.inserted == 0) continue;
    give_ids(table);
  }
  for (const std::string& table : tables_) {
    if (counts(table).inserted == 0) continue;
    parts += (parts.empty() ? "WITH i_" : ", i_") + table + " AS (" + insert_statement(table) + ")";
    sum += (sum.empty() ? " SELECT " : " + ") + ("(SELECT count(*) FROM i_" + table + ")");
  }
  // One statement: its end is where the constraints have to hold, and drives and positions need each other.
  return parts.empty() ? 0 : static_cast<std::uint64_t>(connection_.query(parts + sum).integer(0, 0));
}

void MergeMaps::record_inserted(UndoWriter& writer) {
  for (const std::string& table : tables_) {
    if (counts(table).inserted == 0) continue;
    const catalog::RelationLayout* columns = layout_.find({"public", table});
    if (columns == nullptr) throw Error(ExitCode::internal, "unknown table " + table);
    writer.begin({{"public", table}, Change::inserted, {}, columns->columns});
    connection_.copy_out("COPY (SELECT " + column_list(connection_, columns->columns, "t.") + " FROM ONLY " +
                             live(table) + " t JOIN " + map(table) +
                             " m ON m.new = t.id AND m.act = 'insert') TO STDOUT",
                         [&](std::string_view line) { writer.row(line); });
    writer.end();
  }
}

}  // namespace tmb::teslamate
