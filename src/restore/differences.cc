// SPDX-License-Identifier: MIT
#include "restore/differences.hh"

#include <algorithm>
#include <map>

#include "catalog/reader.hh"
#include "catalog/staging.hh"
#include "teslamate/cars.hh"

namespace tmb::restore {

using base::printable;
using postgres::Connection;
using repository::Manifest;

namespace {

std::string count_or_none(const std::optional<std::uint64_t>& rows) {
  return rows ? report::grouped(*rows) : "none";
}

std::vector<TableDifference> compare_tables(const Manifest& m, Connection* live) {
  std::map<std::pair<std::string, std::string>, TableDifference> all;
  if (m.by_pg_dump()) return {};  // it does not say which tables it has
  for (const repository::TableData& t : m.tables)
    all[{t.schema, t.name}] = {t.schema, t.name, t.rows, std::nullopt};
  if (live != nullptr) {
    for (const catalog::Table& t : catalog::read_tables(*live)) {
      TableDifference& d = all[{t.schema, t.name}];
      d.schema = t.schema;
      d.name = t.name;
      d.live_rows = catalog::count_rows(*live, t.schema, t.name);
    }
  }
  std::vector<TableDifference> out;
  for (auto& [key, difference] : all) out.push_back(std::move(difference));
  return out;
}

std::vector<CarDifference> compare_cars(const Manifest& m, Connection* live) {
  std::map<std::int64_t, CarDifference> all;
  for (const repository::CarSummary& car : m.cars) {
    CarDifference& d = all[car.id];
    d.id = car.id;
    d.name = car.name;
    d.snapshot_drives = car.drives;
    d.snapshot_charges = car.charges;
    d.snapshot_last = car.last_date;
  }
  if (live != nullptr) {
    for (const teslamate::Car& car : teslamate::read_cars(*live)) {
      CarDifference& d = all[car.id];
      d.id = car.id;
      d.name = car.name;
      d.live_drives = car.drives;
      d.live_charges = car.charges;
      d.live_last = car.last_date;
    }
  }
  std::vector<CarDifference> out;
  for (auto& [key, difference] : all) out.push_back(std::move(difference));
  return out;
}

std::string or_none(const std::string& text) { return text.empty() ? "none" : printable(text); }

void add_lines(const Session& s, const Target& t, const Input& input, Outcome& out) {
  const Manifest& m = input.manifest();
  const std::string live = t.live ? printable(s.database) : "nothing";
  out.lines.push_back(input.title() + " of " + base::local_time(m.time) + " would replace " + live +
                      (t.kept.empty() ? "" : ", which would be kept as " + printable(t.kept)));
  out.lines.push_back("  " + input.origin());
  if (m.by_pg_dump()) {
    out.lines.push_back("  an archive of pg_dump with " + report::counted(m.rows(), "row", "rows") +
                        ": it does not say of which tables");
  }
  for (const TableDifference& d : out.tables_differing) {
    out.lines.push_back("  " + printable(d.schema + "." + d.name) + ": " + s.word + " " +
                        count_or_none(d.snapshot_rows) + ", live " + count_or_none(d.live_rows) +
                        (d.snapshot_rows == d.live_rows ? "" : "  differs"));
  }
  for (const CarDifference& d : out.cars) {
    out.lines.push_back("  car " + std::to_string(d.id) + " " + printable(d.name) + ": drives " +
                        report::grouped(d.snapshot_drives) + " / " + report::grouped(d.live_drives) +
                        ", charges " + report::grouped(d.snapshot_charges) + " / " +
                        report::grouped(d.live_charges) + ", last " + or_none(d.snapshot_last) + " / " +
                        or_none(d.live_last) + " (" + s.word + " / live)");
  }
  out.lines.emplace_back("nothing was changed");
}

}  // namespace

Outcome describe_differences(Session& s, const Input& input, const Target& t) {
  const Manifest& m = input.manifest();
  Outcome out;
  out.operation = "dry-run";
  (input.source() != nullptr ? out.snapshot : out.file) = input.mark();
  out.title = input.title();
  out.rows = m.rows();
  out.tables = m.tables.size();
  out.live_database = t.live ? s.database : "";
  std::optional<Connection> live;
  if (t.live) live = Connection::open(s.settings().with_database(s.database), s.stop);
  out.tables_differing = compare_tables(m, live ? &*live : nullptr);
  out.cars = compare_cars(m, live ? &*live : nullptr);
  add_lines(s, t, input, out);
  return out;
}

}  // namespace tmb::restore
