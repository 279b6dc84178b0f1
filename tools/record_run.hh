// SPDX-License-Identifier: MIT
// The one call by which a program's run is noted in the history and told to whom it concerns.
#pragma once

#include <functional>

#include "base/error.hh"
#include "cli/run_main.hh"
#include "status/run_log.hh"

namespace tmb::tools {

// Runs `run`; what it returns or throws goes on as it is. `recorded` false: a dry run, nobody is told.
inline base::ExitCode record_run(cli::Context& context, const char* kind, bool recorded,
                                 const std::function<base::ExitCode()>& run) {
  if (!recorded) return run();
  status::RunLog log(kind, context.settings, context.environment, context.reporter);
  try {
    const base::ExitCode code = run();
    const bool warned = code == base::ExitCode::ok && context.reporter.warned();
    log.finish(static_cast<int>(warned ? base::ExitCode::warnings : code), "", context.document,
               context.reporter.warnings());
    return code;
  } catch (const base::Error& error) {
    log.finish(static_cast<int>(error.code()), error.message(), context.document,
               context.reporter.warnings());
    throw;
  } catch (const std::exception& error) {
    log.finish(static_cast<int>(base::ExitCode::internal), error.what(), context.document,
               context.reporter.warnings());
    throw;
  }
}

}  // namespace tmb::tools
