// SPDX-License-Identifier: MIT
#include "backup/schema.hh"

#include "postgres/tools.hh"

namespace tmb::backup {

SchemaResult store_schema(const Options& options, const Adapters& adapters, const std::string& snapshot,
                          int server_major, const std::string& catalog_fingerprint, const repository::Manifest* parent,
                          const std::stop_token& stop) {
  const postgres::Tools tools = postgres::choose_tools(postgres::find_tools(options.pg_bin_dir), server_major);
  SchemaResult result;
  result.tool_version = tools.version;
  const bool same = parent != nullptr && parent->catalog_fingerprint == catalog_fingerprint &&
                    parent->dump_tool_version == tools.version;
  if (same && adapters.repository.objects().looks_intact(parent->schema)) {
    result.object = parent->schema;
    result.unchanged = true;
    return result;
  }
  if (options.dry_run) return result;

  postgres::ToolRun run;
  run.program = "pg_dump";
  // A change of a definition that queued up behind our locks would make pg_dump wait for it, and us for pg_dump.
  run.arguments = {"--format=custom", "--compress=0", "--schema-only", "--snapshot=" + snapshot,
                   "--lock-wait-timeout=2000", "--no-password"};
  const std::string archive = postgres::run_tool(tools, run, adapters.database, repository::max_plain_bytes, stop);
  repository::Workspace workspace;
  const repository::StoredObject stored =
      adapters.repository.objects().put(repository::ObjectType::schema, archive, workspace);
  result.object = stored.ref;
  result.new_bytes = stored.new_bytes;
  return result;
}

}  // namespace tmb::backup
