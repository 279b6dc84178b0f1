// SPDX-License-Identifier: MIT
// What was named on the command line, told apart.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/file.hh"
#include "verify/file.hh"

namespace tmb::tools {

struct Arguments {
  std::vector<base::Path> repositories;
  std::vector<std::string> snapshots;
  std::vector<std::string> files;
};

// A file that is there is one; another folder, or what has a slash in it, is a repository; the rest are
// names.
inline Arguments sort_arguments(const std::vector<std::string>& named) {
  Arguments out;
  for (const std::string& what : named) {
    if (is_dump_argument(what)) {
      out.files.push_back(what);
    } else if (what.find('/') != std::string::npos || std::filesystem::is_directory(what)) {
      out.repositories.emplace_back(what);
    } else {
      out.snapshots.push_back(what);
    }
  }
  return out;
}

}  // namespace tmb::tools
