// SPDX-License-Identifier: MIT
#include "backup/schema.hh"

#include "postgres/tools.hh"

namespace tmb::backup {

// pg_dump writes the time into the archive's header, seven integers behind the compression; with a fixed one,
// equal definitions make equal archives. The layout: PostgreSQL's pg_backup_archiver.c, ReadHead. An unknown
// header is left as it is.
void fix_creation_time(std::string& archive) {
  constexpr std::size_t integer_bytes = 4;  // plus one for the sign
  const bool known =
      archive.size() > 64 && archive.starts_with("PGDMP") && archive[5] == 1 && archive[8] == integer_bytes;
  if (!known) return;
  const bool compression_is_a_byte = archive[6] >= 15;
  std::size_t at = 11 + (compression_is_a_byte ? 1 : integer_bytes + 1);
  // 1 January 2000: seconds, minutes, hours, day, month from 0, years since 1900 (d is 100), daylight saving.
  for (const char value : {'\0', '\0', '\0', '\1', '\0', 'd', '\0'}) {
    archive[at] = 0;
    archive.replace(at + 1, integer_bytes, integer_bytes, '\0');
    archive[at + 1] = value;
    at += integer_bytes + 1;
  }
}

SchemaResult store_schema(const Options& options, const Adapters& adapters, const std::string& snapshot,
                          int server_major, const std::string& encoding,
                          const std::string& catalog_fingerprint, const repository::Manifest* parent,
                          const std::stop_token& stop) {
  const postgres::Tools tools =
      postgres::choose_tools(postgres::find_tools(options.pg_bin_dir), server_major);
  SchemaResult result;
  result.tool_version = tools.version;
  const bool same = parent != nullptr && parent->catalog_fingerprint == catalog_fingerprint &&
                    parent->dump_tool_version == tools.version;
  if (same && adapters.sink.looks_intact(parent->schema)) {
    result.object = parent->schema;
    result.unchanged = true;
    return result;
  }
  if (options.dry_run) return result;

  postgres::ToolRun run;
  run.program = "pg_dump";
  // A change of a definition that queued up behind our locks would make pg_dump wait for it, and us for
  // pg_dump.
  run.arguments = {
      "--format=custom",          "--compress=0",  "--schema-only",         "--snapshot=" + snapshot,
      "--lock-wait-timeout=2000", "--no-password", "--encoding=" + encoding};
  std::string archive = postgres::run_tool(tools, run, adapters.database, repository::max_plain_bytes, stop);
  fix_creation_time(archive);
  repository::Workspace workspace;
  const repository::StoredObject stored =
      adapters.sink.put(repository::ObjectType::schema, archive, workspace);
  result.object = stored.ref;
  result.new_bytes = stored.new_bytes;
  return result;
}

}  // namespace tmb::backup
