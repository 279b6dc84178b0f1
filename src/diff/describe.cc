// SPDX-License-Identifier: MIT
// A comparison as people and as programs read it.
#include <algorithm>

#include "base/error.hh"
#include "diff/diff.hh"
#include "report/table.hh"

namespace tmb::diff {

namespace {

using report::counted;
using report::grouped;
using report::Json;

std::string number(std::uint64_t count) { return count == 0 ? "" : grouped(count); }

std::string remark(const TableDiff& table) {
  if (table.where == TableDiff::Where::only_before) return "table removed";
  if (table.where == TableDiff::Where::only_after) return "table added";
  if (table.columns_changed) return "other columns";
  return table.by_key || !table.rows.any() ? "" : "no primary key";
}

bool differs(const TableDiff& table) {
  return table.rows.any() || table.where != TableDiff::Where::both || table.columns_changed;
}

// "3 added, 1 changed"
std::string words(const Counts& counts) {
  std::string out;
  const auto add = [&](std::uint64_t count, const char* what) {
    if (count != 0) out += (out.empty() ? "" : ", ") + grouped(count) + " " + what;
  };
  add(counts.added, "added");
  add(counts.changed, "changed");
  add(counts.removed, "removed");
  return out;
}

void describe_tables(const Report& report, std::vector<std::string>& lines) {
  report::Table table({{"table"},
                       {"rows before", report::Align::right},
                       {"after", report::Align::right},
                       {"added", report::Align::right},
                       {"changed", report::Align::right},
                       {"removed", report::Align::right},
                       {""}});
  std::uint64_t same = 0;
  for (const TableDiff& t : report.tables) {
    if (!differs(t)) {
      ++same;
      continue;
    }
    const std::string name = t.schema == "public" ? t.name : t.schema + "." + t.name;
    table.add_row({name, grouped(t.rows_before), grouped(t.rows_after), number(t.rows.added),
                   number(t.rows.changed), number(t.rows.removed), remark(t)});
  }
  for (std::string& line : table.lines()) lines.push_back(std::move(line));
  if (same > 0) lines.push_back(counted(same, "table is", "tables are") + " the same");
}

void describe_cars(const Report& report, std::vector<std::string>& lines) {
  for (const CarDiff& car : report.cars) {
    lines.emplace_back();
    lines.push_back(car.id.empty() ? "no car"
                                   : "car " + base::printable(car.id) +
                                         (car.name.empty() ? "" : " (" + base::printable(car.name) + ")"));
    report::Table table({{"day"}, {"drives"}, {"charges"}});
    for (const DayDiff& day : car.days)
      table.add_row({day.date.empty() ? "no date" : day.date, words(day.drives), words(day.charges)});
    for (const std::string& line : table.lines()) lines.push_back("  " + line);
  }
}

Json counts_json(const Counts& counts) {
  return {{"added", counts.added}, {"changed", counts.changed}, {"removed", counts.removed}};
}

const char* state(TableDiff::Where where) {
  if (where == TableDiff::Where::only_before) return "removed";
  return where == TableDiff::Where::only_after ? "added" : "both";
}

}  // namespace

std::vector<std::string> describe(const Report& report) {
  std::vector<std::string> lines;
  if (report.same()) {
    lines.push_back(report.before + " and " + report.after + " are the same, row for row");
    return lines;
  }
  describe_tables(report, lines);
  if (report.schema_changed)
    lines.emplace_back("the definitions are not the same (tables, columns, functions, grants …)");
  describe_cars(report, lines);
  return lines;
}

Json to_json(const Report& report) {
  Json tables = Json::array();
  for (const TableDiff& t : report.tables) {
    Json entry{{"schema", t.schema},
               {"name", t.name},
               {"table", state(t.where)},
               {"rows_before", t.rows_before},
               {"rows_after", t.rows_after}};
    entry.update(counts_json(t.rows));
    entry["by_key"] = t.by_key;
    entry["columns_changed"] = t.columns_changed;
    tables.push_back(std::move(entry));
  }
  Json cars = Json::array();
  for (const CarDiff& car : report.cars) {
    Json days = Json::array();
    for (const DayDiff& day : car.days) {
      days.push_back({{"date", day.date.empty() ? Json() : Json(day.date)},
                      {"drives", counts_json(day.drives)},
                      {"charges", counts_json(day.charges)}});
    }
    cars.push_back({{"id", car.id.empty() ? Json() : Json(car.id)}, {"name", car.name}, {"days", days}});
  }
  return {{"before", report.before},
          {"after", report.after},
          {"same", report.same()},
          {"schema_changed", report.schema_changed},
          {"tables", tables},
          {"cars", cars},
          {"objects_read", report.objects_read},
          {"objects_skipped", report.objects_skipped},
          {"seconds", report.seconds}};
}

}  // namespace tmb::diff
