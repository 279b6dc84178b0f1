// SPDX-License-Identifier: MIT
#include "restore/describe_file.hh"

#include "base/error.hh"
#include "report/table.hh"

namespace tmb::restore {

using base::printable;
using report::Json;

namespace {

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

std::string origin(const FileInput& input) {
  const sql::DumpFrame& frame = input.frame();
  std::string out = frame.server_version.empty() ? "from a PostgreSQL that it does not name"
                                                 : "from PostgreSQL " + printable(frame.server_version);
  if (!frame.tool_version.empty()) out += ", by pg_dump " + printable(frame.tool_version);
  const std::string& migration = input.manifest().migration_version;
  out += migration.empty() ? "; not of TeslaMate" : "; TeslaMate's schema " + migration;
  return out;
}

}  // namespace

std::vector<std::string> describe_file(const FileInput& input) {
  const repository::Manifest& m = input.manifest();
  std::vector<std::string> out;
  out.push_back(printable(input.file().path().string()) + ": " + input.file().describe() + ", " +
                (input.frame().complete ? "complete" : "incomplete") + ", " +
                report::counted(m.rows(), "row", "rows") + " in " +
                report::counted(m.tables.size(), "table", "tables"));
  out.push_back("  " + origin(input));
  report::Table tables({{"", {}}, {"", {}}, {"", report::Align::right}});
  for (const repository::TableData& t : m.tables)
    tables.add_row({"", t.schema + "." + t.name, report::grouped(t.rows)});
  for (const std::string& line : tables.lines()) out.push_back(line);
  for (const repository::CarSummary& car : m.cars) {
    out.push_back("  car " + std::to_string(car.id) + " " + printable(car.name) + ": " +
                  report::counted(car.drives, "drive", "drives") + ", " +
                  report::counted(car.charges, "charge", "charges") +
                  (car.last_date.empty() ? ""
                                         : ", " + printable(car.first_date.substr(0, 10)) + " to " +
                                               printable(car.last_date.substr(0, 10))));
  }
  for (const std::string& code : input.database().code)
    out.push_back("  code of its own: " + printable(code));
  for (const auto& [what, count] : input.database().left_out)
    out.push_back("  would be left out: " + printable(what));
  return out;
}

Json file_to_json(const FileInput& input) {
  const repository::Manifest& m = input.manifest();
  Json tables = Json::array();
  for (const repository::TableData& t : m.tables)
    tables.push_back({{"schema", t.schema}, {"name", t.name}, {"rows", t.rows}});
  Json cars = Json::array();
  for (const repository::CarSummary& car : m.cars) {
    cars.push_back({{"id", car.id},
                    {"name", car.name},
                    {"drives", car.drives},
                    {"charges", car.charges},
                    {"first", text_or_null(car.first_date)},
                    {"last", text_or_null(car.last_date)}});
  }
  return {{"file", input.file().path().string()},
          {"kind", input.file().describe()},
          {"complete", input.frame().complete},
          {"server_version", text_or_null(input.frame().server_version)},
          {"dump_version", text_or_null(input.frame().tool_version)},
          {"migration_version", text_or_null(m.migration_version)},
          {"rows", m.rows()},
          {"tables", tables},
          {"cars", cars},
          {"code", input.database().code}};
}

}  // namespace tmb::restore
