// SPDX-License-Identifier: MIT
// Brings carried files back into a folder of their own, never anywhere else: no path, no link and no name in
// a manifest leads out of it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/file.hh"
#include "repository/manifest.hh"

namespace tmb::files {

// The verified content of one piece.
using Fetch = std::function<void(const repository::ObjectRef& ref, std::string& content)>;

struct Extracted {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::vector<std::string> problems;  // owners that could not be set, and the like
};

// /etc/x becomes `folder`/etc/x, with its mode and time, and as root with its owner. `folder` is made if it
// is missing and must be empty. Throws refused when it is not; damaged for a path that leads elsewhere or
// content of another length; local_io.
Extracted extract(const std::vector<repository::CarriedFile>& files, const base::Path& folder,
                  const Fetch& fetch);

}  // namespace tmb::files
