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

// Whether somebody else may have made it: it is of another repository than the one in the settings, and no
// key vouches for it.
inline bool may_be_of_stranger(const cli::Context& context, const archive::TmbSource& source) {
  if (source.encrypted()) return false;
  try {
    const repository::Format ours = repository::Repository::read_format(context.repository());
    return ours.encrypted || ours.id != source.format().id;
  } catch (const base::Error&) {
    return true;  // there is none
  }
}

}  // namespace tmb::tools
