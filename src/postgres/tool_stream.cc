// SPDX-License-Identifier: MIT
#include "postgres/tool_stream.hh"

#include <string>

#include "base/child_stream.hh"
#include "base/error.hh"

namespace tmb::postgres {

void stream_tool(const Tools& tools, const ToolRun& run, const ConnectionSettings& settings,
                 const std::function<void(std::string_view)>& take, const std::stop_token& stop) {
  constexpr std::size_t piece_bytes = std::size_t{256} << 10U;
  const ChildAccess access = child_access(settings, run.options);
  base::ChildStream child(tool_process(tools, run, settings, access, stop));
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
