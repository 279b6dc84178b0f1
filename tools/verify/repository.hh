// SPDX-License-Identifier: MIT
// One repository looked through, its findings shown.
#pragma once

#include <string>
#include <vector>

#include "cli/run_main.hh"
#include "verify/verify.hh"

namespace tmb::tools {

// Puts the findings into `document` as well. `names`: snapshots, or none for all. Returns the code that the
// findings deserve. Throws not_found for a name, and as verify::verify does.
base::ExitCode verify_repository(const base::Path& path, const verify::Options& options,
                                 const std::vector<std::string>& names, cli::Context& context,
                                 report::Json& document);

}  // namespace tmb::tools
