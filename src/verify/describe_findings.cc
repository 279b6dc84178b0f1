// SPDX-License-Identifier: MIT
#include "base/error.hh"
#include "report/reporter.hh"
#include "report/table.hh"
#include "verify/describe.hh"

namespace tmb::verify {

using report::byte_size;
using report::counted;
using report::grouped;
using report::Json;

namespace {

constexpr std::size_t most_lines = 50;      // of damaged files; --json has them all
constexpr std::size_t most_snapshots = 30;  // of complete ones, the newest

std::string lost(const SnapshotReport& snapshot) {
  if (!snapshot.manifest_readable) return "its manifest is unreadable";
  std::string out;
  if (snapshot.schema_damaged) out = "the schema";
  for (const DamagedTable& table : snapshot.damaged_tables) {
    out += (out.empty() ? "" : ", ") + table.name + ": " + grouped(table.rows_damaged) + " of " +
           counted(table.rows, "row", "rows");
  }
  for (const std::string& file : snapshot.damaged_files) out += (out.empty() ? "" : ", ") + file;
  return "damaged: " + out;
}

void add_snapshots(const Report& report, std::vector<std::string>& lines) {
  report::Table table({{"snapshot"}, {"state"}, {"rows", report::Align::right}, {""}});
  std::size_t complete_left = report.complete_snapshots();
  std::size_t passed_over = 0;
  for (const SnapshotReport& snapshot : report.snapshots) {
    if (snapshot.complete && complete_left-- > most_snapshots) {
      ++passed_over;
      continue;
    }
    table.add_row({snapshot.id, snapshot.complete ? "complete" : "DAMAGED",
                   snapshot.manifest_readable ? grouped(snapshot.rows) : "?",
                   snapshot.complete ? "" : lost(snapshot)});
  }
  if (table.empty()) return;
  for (std::string& line : table.lines()) lines.push_back(std::move(line));
  if (passed_over > 0)
    lines.push_back("… and " + counted(passed_over, "older one, complete", "older ones, complete"));
}

void add_damage(const Report& report, std::vector<std::string>& lines) {
  std::size_t shown = 0;
  for (const Damage& damage : report.damage) {
    if (++shown > most_lines) {
      lines.push_back("… and " + counted(report.damage.size() - most_lines, "more", "more") +
                      " (--json names all)");
      return;
    }
    lines.push_back(damage.file + ": " + damage.why);
  }
}

}  // namespace

std::vector<std::string> describe(const Report& report, const Options& options) {
  std::vector<std::string> lines;
  add_snapshots(report, lines);
  add_damage(report, lines);
  lines.push_back(grouped(report.complete_snapshots()) + " of " +
                  counted(report.snapshots.size(), "snapshot", "snapshots") +
                  " complete: " + counted(report.objects, "object", "objects") + ", " +
                  byte_size(report.stored_bytes) + " stored, " + byte_size(report.plain_bytes) +
                  (options.read_data ? " of content, every byte read and hashed"
                   : !options.parts.empty()
                       ? " of content, " + grouped(options.parts.size()) + " of 256 parts read and hashed"
                       : " of content; lengths and headers were checked (--read-data reads every byte)"));
  return lines;
}

report::Json to_json(const Report& report, const Options& options) {
  Json snapshots = Json::array();
  for (const SnapshotReport& snapshot : report.snapshots) {
    Json tables = Json::array();
    for (const DamagedTable& table : snapshot.damaged_tables) {
      tables.push_back({{"table", table.name}, {"rows", table.rows}, {"rows_damaged", table.rows_damaged}});
    }
    snapshots.push_back({{"id", snapshot.id},
                         {"complete", snapshot.complete},
                         {"manifest_readable", snapshot.manifest_readable},
                         {"schema_damaged", snapshot.schema_damaged},
                         {"tables", snapshot.tables},
                         {"rows", snapshot.rows},
                         {"damaged_tables", std::move(tables)},
                         {"damaged_files", snapshot.damaged_files}});
  }
  Json damage = Json::array();
  for (const Damage& one : report.damage) {
    damage.push_back({{"file", one.file}, {"code", static_cast<int>(one.code)}, {"why", one.why}});
  }
  return {{"read_data", options.read_data},      {"intact", report.intact()},
          {"snapshots", std::move(snapshots)},   {"damage", std::move(damage)},
          {"objects", report.objects},           {"stored_bytes", report.stored_bytes},
          {"plain_bytes", report.plain_bytes},   {"orphans", report.orphans},
          {"orphan_bytes", report.orphan_bytes}, {"strays", report.strays}};
}

}  // namespace tmb::verify
