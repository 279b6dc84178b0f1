// SPDX-License-Identifier: MIT
// A whole restore of what was named on the command line.
#pragma once

#include "restore/options.hh"

namespace tmb::tools {

// A path, or a snapshot of the repository; a name that is both is asked back.
restore::Outcome restore_what_was_named(const RestoreOptions& options, const cli::Context& context,
                                        restore::Adapters& adapters);

}  // namespace tmb::tools
