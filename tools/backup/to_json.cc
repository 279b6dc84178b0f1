// SPDX-License-Identifier: MIT
#include "backup/to_json.hh"

namespace tmb::tools {

report::Json to_json(const backup::Outcome& outcome) {
  const repository::Manifest& m = outcome.manifest;
  report::Json tables = report::Json::array();
  for (const backup::TableOutcome& t : outcome.tables) {
    tables.push_back({{"schema", t.schema},
                      {"name", t.name},
                      {"rows", t.rows},
                      {"chunks", t.chunks},
                      {"unchanged", t.unchanged}});
  }
  return {{"snapshot", outcome.dry_run ? report::Json() : report::Json(m.id)},
          {"dry_run", outcome.dry_run},
          {"time", base::iso_utc(m.time)},
          {"parent", m.parent},
          {"tag", m.tag},
          {"database", m.database.name},
          {"server_version", m.server_version},
          {"migration_version", m.migration_version},
          {"rows", m.rows()},
          {"plain_bytes", m.plain_bytes()},
          {"read_bytes", outcome.read_bytes},
          {"stored_bytes", outcome.stored_bytes},
          {"new_bytes", outcome.new_bytes},
          {"schema_unchanged", outcome.schema_unchanged},
          {"healed_objects", outcome.healed},
          {"lock_seconds", outcome.lock_seconds},
          {"seconds", m.seconds},
          {"tables", tables}};
}

}  // namespace tmb::tools
