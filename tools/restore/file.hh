// SPDX-License-Identifier: MIT
// What teslamate-restore does with a file that somebody brought.
#pragma once

#include <string>

#include "cli/run_main.hh"
#include "restore/file_input.hh"
#include "restore/restore.hh"

namespace tmb::tools {

// A dump, a .tmb, or what else archive::InputFile knows. Throws as restore::run does.
restore::Outcome restore_file(const std::string& path, const restore::Options& options,
                              const restore::FileOptions& file_options, const cli::Context& context,
                              const restore::Adapters& adapters);

}  // namespace tmb::tools
