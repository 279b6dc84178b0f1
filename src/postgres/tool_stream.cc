// SPDX-License-Identifier: MIT
#include "postgres/tool_stream.hh"

#include <string>

#include "base/child_stream.hh"
#include "base/error.hh"

namespace tmb::postgres {

namespace {

// PostgreSQL's tools write "pg_dump: error: …"; what stands before are warnings.
std::string first_error(const std::string& errors) {
  const std::size_t word = errors.find("error:");
  const std::size_t begin = word == std::string::npos ? 0 : errors.rfind('\n', word) + 1;
  return base::printable(errors.substr(begin, errors.find('\n', begin) - begin));
}

}  // namespace

void stream_tool(const Tools& tools, const ToolRun& run, const ConnectionSettings& settings,
                 const std::function<void(std::string_view)>& take, const std::stop_token& stop) {
  constexpr std::size_t piece_bytes = std::size_t{256} << 10U;
  const ChildAccess access = child_access(settings, run.options);
  base::ProcessOptions options;
  options.argv = {tools.path(run.program)};
  options.argv.insert(options.argv.end(), run.arguments.begin(), run.arguments.end());
  if (run.connects) {
    options.argv.emplace_back("--no-password");
    options.argv.push_back("--dbname=" + access.conninfo);
  }
  options.environment = access.environment;
  options.as_user = settings.as_os_user;
  options.stop = stop;
  base::ChildStream child(options);
  std::string piece(piece_bytes, '\0');
  while (const std::size_t got = child.read(piece)) take(std::string_view(piece).substr(0, got));
  if (stop.stop_requested()) throw base::Error(base::ExitCode::interrupted, "interrupted");
  if (child.exit_code() != 0) {
    throw base::Error(base::ExitCode::database, run.program + " " + tools.version + " failed with " +
                                                    std::to_string(child.exit_code()) + ": " +
                                                    first_error(child.errors()));
  }
}

}  // namespace tmb::postgres
