// SPDX-License-Identifier: MIT
// One repository looked through, its findings shown.
#pragma once

#include <string>
#include <vector>

#include "cli/run_main.hh"
#include "verify/verify.hh"

namespace tmb::tools {

struct Findings {
  base::ExitCode code = base::ExitCode::ok;  // that they deserve
  std::string hint;                          // where it is not ok
};

// Puts the findings into `document` as well, and what is damaged into the state folder's list of it. `names`:
// snapshots, or none for all. Throws not_found for a name, and as verify::verify does.
Findings verify_repository(const base::Path& path, const verify::Options& options,
                           const std::vector<std::string>& names, cli::Context& context,
                           report::Json& document);

}  // namespace tmb::tools
