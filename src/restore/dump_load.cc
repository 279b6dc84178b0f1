// SPDX-License-Identifier: MIT
#include "restore/dump_load.hh"

#include <algorithm>

#include "base/child_stream.hh"
#include "base/error.hh"
#include "catalog/timescale.hh"
#include "repository/dump_stream.hh"

namespace tmb::restore {

using base::Error;
using base::ExitCode;

namespace {

// Feeds the archive to `options`' program, throws away what it prints. Returns its first error; empty: none.
std::string feed(const repository::BackupSource& source, const base::ProcessOptions& options) {
  repository::DumpStream pieces(source);
  base::ChildStream child(options, pieces);
  std::string output(65536, '\0');
  while (child.read(output) != 0) {
  }
  if (child.exit_code() == 0) return "";
  return "pg_restore failed with " + std::to_string(child.exit_code()) + ": " +
         postgres::first_error(child.errors());
}

int dump_major(const repository::Manifest& manifest) {
  const auto version = postgres::parse_tool_version("pg_dump (PostgreSQL) " + manifest.dump_tool_version);
  return version ? version->major : 0;
}

}  // namespace

void read_dump_through(const repository::BackupSource& source, report::Reporter& reporter,
                       const std::stop_token& stop) {
  const repository::Manifest& manifest = source.manifest();
  std::vector<postgres::Tools> found = postgres::find_tools("");
  std::erase_if(found, [&](const postgres::Tools& tools) { return tools.major < dump_major(manifest); });
  if (found.empty()) {
    reporter.warning("the archive was not read through: there is no pg_restore of PostgreSQL " +
                     std::to_string(dump_major(manifest)) + " or newer");
    return;
  }
  reporter.begin_phase("reading through", manifest.id, 0, report::Unit::items);
  base::ProcessOptions options;
  options.argv = {postgres::choose_tools(found, dump_major(manifest)).path("pg_restore"), "--file=-"};
  options.environment = {"LC_ALL=C", "PATH=/usr/bin:/bin"};
  options.stop = stop;
  const std::string problem = feed(source, options);
  if (!problem.empty()) throw Error(ExitCode::damaged, source.describe() + ": " + problem);
  reporter.end_phase("pg_restore takes it");
}

void load_dump(Session& s, const repository::BackupSource& source, const Target& target,
               const StagingDatabase& staging) {
  if (!target.tool_connects) {
    throw Error(
        ExitCode::unsupported,
        "this snapshot is an archive of pg_dump, and pg_restore of its release cannot write to this server")
        .with_hint("restore it on the server's own release, or export it as .sql");
  }
  s.reporter.begin_phase("loading", staging.name(), 0, report::Unit::items);
  const auto& extensions = source.manifest().extensions;
  const auto timescale = std::ranges::find(extensions, "timescaledb", &repository::ExtensionInfo::name);
  if (timescale != extensions.end()) {
    catalog::begin_timescale_restore(staging.settings(), timescale->version, timescale->schema, s.stop);
  }
  const postgres::ToolRun run{"pg_restore", {"--exit-on-error"}, "-c synchronous_commit=off", true};
  const postgres::ChildAccess access = postgres::child_access(staging.settings(), run.options);
  const std::string problem =
      feed(source, postgres::tool_process(target.tools, run, staging.settings(), access, s.stop));
  if (!problem.empty()) throw Error(ExitCode::database, problem);
  if (timescale != extensions.end()) catalog::end_timescale_restore(staging.settings(), s.stop);
  s.reporter.end_phase("definitions, rows and indexes are there");
}

}  // namespace tmb::restore
