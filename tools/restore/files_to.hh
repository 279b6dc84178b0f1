// SPDX-License-Identifier: MIT
// teslamate-restore --files-to: the files that a snapshot carries, into a folder; the database is not
// touched.
#pragma once

#include <string>

#include "cli/run_main.hh"

namespace tmb::tools {

// `snapshot` is a snapshot of the repository or a .tmb file. Throws not_found when it carries no files; else
// as files::extract does.
base::ExitCode restore_files_to(const std::string& folder, const std::string& snapshot,
                                cli::Context& context);

}  // namespace tmb::tools
