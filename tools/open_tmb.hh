// SPDX-License-Identifier: MIT
// A snapshot in a file, opened as a repository is: its key is asked for, and again when it is mistyped.
#pragma once

#include <memory>

#include "archive/tmb.hh"
#include "open_repository.hh"

namespace tmb::tools {

// Throws as archive::open_tmb does.
inline std::unique_ptr<archive::TmbSource> open_tmb(const cli::Context& context, const base::Path& path) {
  return with_tries(context, [&] { return archive::open_tmb(path, ask_for_key(context)); });
}

}  // namespace tmb::tools
