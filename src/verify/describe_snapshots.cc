// SPDX-License-Identifier: MIT
#include <algorithm>

#include "report/reporter.hh"
#include "report/table.hh"
#include "verify/describe.hh"

namespace tmb::verify {

using report::Align;
using report::byte_size;
using report::counted;
using report::grouped;
using report::Json;

namespace {

std::string age(base::Time time, base::Time now) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - time).count();
  if (seconds < 0) return "in the future";
  const auto passed = static_cast<std::uint64_t>(seconds);
  if (passed < 60) return counted(passed, "second", "seconds");
  if (passed < 2 * 3600) return counted(passed / 60, "minute", "minutes");
  if (passed < std::uint64_t{2} * 86400) return counted(passed / 3600, "hour", "hours");
  return counted(passed / 86400, "day", "days");
}

std::string tag_text(const repository::SnapshotTag& tag) {
  if (!tag.pinned) return tag.text;
  return tag.text.empty() ? "(pinned)" : tag.text + " (pinned)";
}

void add_facts(const SnapshotUsage& snapshot, base::Time now, std::vector<std::string>& lines) {
  const repository::Manifest& m = *snapshot.manifest;
  report::Table facts({{""}, {""}});
  const auto add = [&](const std::string& name, const std::string& value) {
    if (!value.empty()) facts.add_row({name, value});
  };
  add("snapshot", m.id);
  add("tag", tag_text(snapshot.tag));
  add("kept", snapshot.tag.scheduled ? "" : "whatever the rules say: it was taken or named by a person");
  add("taken", base::local_time(m.time) + " (" + base::iso_utc(m.time) + ", " + age(m.time, now) +
                   " ago) in " + report::duration(m.seconds));
  add("before it", m.parent);
  add("database", m.database.name + " of " + m.database.owner + " on " + m.host + ", read as " + m.role);
  add("encoding", m.database.encoding + ", collation " + m.database.collate);
  add("server", "PostgreSQL " + m.server_version);
  add("schema", m.migration_version);
  std::string extensions;
  for (const auto& e : m.extensions)
    extensions += (extensions.empty() ? "" : ", ") + e.name + " " + e.version;
  add("extensions", extensions);
  add("written by", "teslamate-backup " + m.tool_version + ", pg_dump " + m.dump_tool_version);
  add("origin", "system " + m.origin.system_identifier + ", timeline " + m.origin.timeline + ", database " +
                    std::to_string(m.origin.database_oid));
  add("content", grouped(m.rows()) + " rows, " + byte_size(m.plain_bytes()) + " as text");
  add("stored", byte_size(snapshot.stored_bytes) + ", " + byte_size(snapshot.new_bytes) + " of it new, " +
                    byte_size(snapshot.own_bytes) + " only here");
  for (std::string& line : facts.lines()) lines.push_back(std::move(line));
}

void add_table(const report::Table& table, std::vector<std::string>& lines) {
  if (table.empty()) return;
  lines.emplace_back();
  for (std::string& line : table.lines()) lines.push_back(std::move(line));
}

report::Table tables_of(const repository::Manifest& manifest) {
  report::Table out({{"table"}, {"rows", Align::right}, {"chunks", Align::right}, {"text", Align::right}});
  for (const auto& table : manifest.tables) {
    std::uint64_t bytes = 0;
    for (const auto& chunk : table.chunks) bytes += chunk.plain_bytes();
    out.add_row({table.schema + "." + table.name, grouped(table.rows), grouped(table.chunks.size()),
                 byte_size(bytes)});
  }
  return out;
}

report::Table cars_of(const repository::Manifest& manifest) {
  report::Table out(
      {{"car"}, {"name"}, {"drives", Align::right}, {"charges", Align::right}, {"from"}, {"to"}});
  for (const auto& car : manifest.cars) {
    out.add_row({std::to_string(car.id), car.name, grouped(car.drives), grouped(car.charges), car.first_date,
                 car.last_date});
  }
  return out;
}

report::Table sequences_of(const repository::Manifest& manifest) {
  report::Table out({{"sequence"}, {"last value", Align::right}, {""}});
  for (const auto& sequence : manifest.sequences) {
    out.add_row({sequence.schema + "." + sequence.name, sequence.last_value,
                 sequence.is_called ? "" : "not used yet"});
  }
  return out;
}

Json summary(const SnapshotUsage& snapshot) {
  if (!snapshot.manifest) return {{"id", snapshot.id}, {"damaged", true}, {"damage", snapshot.damage}};
  const repository::Manifest& m = *snapshot.manifest;
  return {{"id", m.id},
          {"damaged", false},
          {"time", base::iso_utc(m.time)},
          {"seconds", m.seconds},
          {"tag", snapshot.tag.text},
          {"pinned", snapshot.tag.pinned},
          {"scheduled", snapshot.tag.scheduled},
          {"parent", m.parent},
          {"host", m.host},
          {"database", m.database.name},
          {"server_version", m.server_version},
          {"migration_version", m.migration_version},
          {"tables", m.tables.size()},
          {"rows", m.rows()},
          {"plain_bytes", m.plain_bytes()},
          {"stored_bytes", snapshot.stored_bytes},
          {"new_bytes", snapshot.new_bytes},
          {"own_bytes", snapshot.own_bytes}};
}

}  // namespace

std::vector<std::string> describe_list(const std::vector<SnapshotUsage>& snapshots, base::Time now) {
  report::Table table({{"snapshot"},
                       {"taken"},
                       {"age", Align::right},
                       {"rows", Align::right},
                       {"stored", Align::right},
                       {"new", Align::right},
                       {"only here", Align::right},
                       {"tag"}});
  for (const SnapshotUsage& s : snapshots) {
    if (!s.manifest) {
      table.add_row({s.id, "DAMAGED", "?", "?", "?", "?", "?"});
      continue;
    }
    table.add_row({s.id, base::local_time(s.manifest->time), age(s.manifest->time, now),
                   grouped(s.manifest->rows()), byte_size(s.stored_bytes), byte_size(s.new_bytes),
                   byte_size(s.own_bytes), tag_text(s.tag)});
  }
  return table.lines();
}

std::vector<std::string> describe_snapshot(const SnapshotUsage& snapshot, base::Time now) {
  std::vector<std::string> lines;
  add_facts(snapshot, now, lines);
  add_table(tables_of(*snapshot.manifest), lines);
  add_table(cars_of(*snapshot.manifest), lines);
  add_table(sequences_of(*snapshot.manifest), lines);
  return lines;
}

Json list_to_json(const std::vector<SnapshotUsage>& snapshots) {
  Json out = Json::array();
  for (const SnapshotUsage& snapshot : snapshots) out.push_back(summary(snapshot));
  return out;
}

Json snapshot_to_json(const SnapshotUsage& snapshot) {
  Json out = summary(snapshot);
  if (!snapshot.manifest) return out;
  const repository::Manifest& m = *snapshot.manifest;
  out["role"] = m.role;
  out["tool_version"] = m.tool_version;
  out["dump_tool_version"] = m.dump_tool_version;
  out["owner"] = m.database.owner;
  out["encoding"] = m.database.encoding;
  out["collate"] = m.database.collate;
  out["system_identifier"] = m.origin.system_identifier;
  Json& extensions = out["extensions"] = Json::array();
  for (const auto& e : m.extensions) {
    extensions.push_back({{"name", e.name}, {"version", e.version}, {"schema", e.schema}});
  }
  Json& tables = out["table_list"] = Json::array();
  for (const auto& table : m.tables) {
    std::uint64_t bytes = 0;
    for (const auto& chunk : table.chunks) bytes += chunk.plain_bytes();
    tables.push_back({{"schema", table.schema},
                      {"name", table.name},
                      {"rows", table.rows},
                      {"chunks", table.chunks.size()},
                      {"plain_bytes", bytes}});
  }
  Json& sequences = out["sequences"] = Json::array();
  for (const auto& s : m.sequences) {
    sequences.push_back(
        {{"schema", s.schema}, {"name", s.name}, {"last_value", s.last_value}, {"is_called", s.is_called}});
  }
  Json& cars = out["cars"] = Json::array();
  for (const auto& c : m.cars) {
    cars.push_back({{"id", c.id},
                    {"name", c.name},
                    {"drives", c.drives},
                    {"charges", c.charges},
                    {"first_date", c.first_date},
                    {"last_date", c.last_date}});
  }
  return out;
}

}  // namespace tmb::verify
