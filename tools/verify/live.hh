// SPDX-License-Identifier: MIT
// teslamate-verify --live.
#pragma once

#include "cli/run_main.hh"

namespace tmb::tools {

// Holds the newest snapshot of the settings' repository against the live database. Throws damaged when rows
// differ that no transaction has changed, and what backup::compare_with_live throws.
void verify_live(cli::Context& context);

}  // namespace tmb::tools
