// SPDX-License-Identifier: MIT
// PostgreSQL's tools run for output that is too big to be kept: it is handed on as it comes.
#pragma once

#include <functional>
#include <stop_token>
#include <string_view>

#include "postgres/tools.hh"

namespace tmb::postgres {

// Calls `take` with each piece of what the tool writes to stdout. Throws as run_tool does, after the last
// piece too: what was taken counts only when this returns. What `take` throws ends the tool.
void stream_tool(const Tools& tools, const ToolRun& run, const ConnectionSettings& settings,
                 const std::function<void(std::string_view)>& take, const std::stop_token& stop = {});

}  // namespace tmb::postgres
