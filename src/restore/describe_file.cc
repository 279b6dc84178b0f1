// SPDX-License-Identifier: MIT
#include "restore/describe_file.hh"

#include "base/error.hh"
#include "report/table.hh"

namespace tmb::restore {

using base::printable;
using report::Json;

namespace {

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

void add_content(const std::string& name, const Input& input, std::vector<std::string>& out) {
  const repository::Manifest& m = input.manifest();
  out.push_back(name + ": " + input.origin());
  out.push_back("  " + report::counted(m.rows(), "row", "rows") +
                (m.by_pg_dump() ? std::string(" in an archive of pg_dump")
                                : " in " + report::counted(m.tables.size(), "table", "tables")));
  report::Table tables({{"", {}}, {"", {}}, {"", report::Align::right}});
  for (const repository::TableData& t : m.tables)
    tables.add_row({"", printable(t.schema + "." + t.name), report::grouped(t.rows)});
  for (const std::string& line : tables.lines()) out.push_back(line);
  for (const repository::CarSummary& car : m.cars) {
    out.push_back("  car " + std::to_string(car.id) + " " + printable(car.name) + ": " +
                  report::counted(car.drives, "drive", "drives") + ", " +
                  report::counted(car.charges, "charge", "charges") +
                  (car.last_date.empty() ? ""
                                         : ", " + printable(car.first_date.substr(0, 10)) + " to " +
                                               printable(car.last_date.substr(0, 10))));
  }
}

Json tables_to_json(const repository::Manifest& m) {
  Json tables = Json::array();
  for (const repository::TableData& t : m.tables)
    tables.push_back({{"schema", t.schema}, {"name", t.name}, {"rows", t.rows}});
  return tables;
}

Json cars_to_json(const repository::Manifest& m) {
  Json cars = Json::array();
  for (const repository::CarSummary& car : m.cars) {
    cars.push_back({{"id", car.id},
                    {"name", car.name},
                    {"drives", car.drives},
                    {"charges", car.charges},
                    {"first", text_or_null(car.first_date)},
                    {"last", text_or_null(car.last_date)}});
  }
  return cars;
}

}  // namespace

std::vector<std::string> describe_snapshot_file(const std::string& path, const Input& input) {
  std::vector<std::string> out;
  add_content(printable(path), input, out);
  return out;
}

Json snapshot_file_to_json(const std::string& path, const Input& input) {
  const repository::Manifest& m = input.manifest();
  return {{"file", path},
          {"kind", "tmb"},
          {"scope", text_or_null(m.scope)},
          {"complete", true},
          {"snapshot", m.id},
          {"server_version", text_or_null(m.server_version)},
          {"dump_version", text_or_null(m.dump_tool_version)},
          {"migration_version", text_or_null(m.migration_version)},
          {"rows", m.rows()},
          {"tables", tables_to_json(m)},
          {"cars", cars_to_json(m)}};
}

std::vector<std::string> describe_file(const FileInput& input) {
  std::vector<std::string> out;
  add_content(printable(input.file().path().string()), input, out);
  for (const std::string& code : input.database().code)
    out.push_back("  code of its own: " + printable(code));
  for (const auto& [what, count] : input.database().left_out)
    out.push_back("  would be left out: " + printable(what));
  return out;
}

Json file_to_json(const FileInput& input) {
  const repository::Manifest& m = input.manifest();
  return {{"file", input.file().path().string()},
          {"kind", input.file().describe()},
          {"complete", input.frame().complete},
          {"server_version", text_or_null(input.frame().server_version)},
          {"dump_version", text_or_null(input.frame().tool_version)},
          {"migration_version", text_or_null(m.migration_version)},
          {"rows", m.rows()},
          {"tables", tables_to_json(m)},
          {"cars", cars_to_json(m)},
          {"code", input.database().code}};
}

}  // namespace tmb::restore
