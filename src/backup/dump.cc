// SPDX-License-Identifier: MIT
#include "backup/dump.hh"

#include "backup/cutter.hh"
#include "backup/schema.hh"
#include "base/error.hh"
#include "catalog/staging.hh"
#include "postgres/tool_stream.hh"

namespace tmb::backup {

using base::Error;
using base::ExitCode;

namespace {

// What the header needs, whose time is made the same every night.
constexpr std::size_t header_bytes = 256;

std::string list(const std::vector<catalog::Obstacle>& obstacles, bool carried) {
  std::string out;
  for (const catalog::Obstacle& o : obstacles) {
    if (o.carried_by_pg_dump == carried)
      out += (out.empty() ? "" : "; ") + base::printable(o.object) + ": " + base::printable(o.why);
  }
  return out;
}

}  // namespace

bool needs_pg_dump(const Session& session, report::Reporter& reporter) {
  const std::string refused = list(session.obstacles, false);
  if (!refused.empty()) {
    throw Error(ExitCode::database, "the database holds what a snapshot could not bring back: " + refused)
        .with_hint("a role that owns the objects or has pg_read_all_data can read all tables");
  }
  const std::string reasons = list(session.obstacles, true);
  if (reasons.empty()) return false;
  reporter.note("kept as an archive of pg_dump, read whole every time: " + reasons);
  return true;
}

DumpResult store_dump(const Options& options, const Adapters& adapters, const Session& session,
                      const std::stop_token& stop) {
  const postgres::Tools tools =
      postgres::choose_tools(postgres::find_tools(options.pg_bin_dir), session.server.version_number / 10000);
  DumpResult result;
  result.tool_version = tools.version;
  repository::Workspace workspace;
  Cutter cutter([&](std::string_view piece) {
    const repository::StoredObject stored =
        adapters.sink.put(repository::ObjectType::schema, piece, workspace);
    result.pieces.push_back(stored.ref);
    result.new_bytes += stored.new_bytes;
    result.read_bytes += piece.size();
    result.healed += stored.healed ? 1U : 0U;
  });
  std::string header;
  const auto begin = [&] {
    fix_creation_time(header);
    cutter.add(header);
  };
  const postgres::ToolRun run{"pg_dump",
                              {"--format=custom", "--compress=0", "--snapshot=" + session.snapshot,
                               "--lock-wait-timeout=2000", "--encoding=" + session.database.encoding},
                              "",
                              true};
  postgres::stream_tool(
      tools, run, adapters.database,
      [&](std::string_view bytes) {
        if (header.size() >= header_bytes) {
          cutter.add(bytes);
          return;
        }
        header.append(bytes);
        if (header.size() >= header_bytes) begin();
      },
      stop);
  if (header.size() < header_bytes) begin();
  cutter.finish();
  return result;
}

std::uint64_t count_all_rows(Session& session) {
  std::uint64_t rows = 0;
  for (const catalog::Table& table : session.tables)
    rows += catalog::count_rows(session.connection, table.schema, table.name);
  return rows;
}

}  // namespace tmb::backup
