// SPDX-License-Identifier: MIT
// Which files are in a repository's folders, told apart by what they are. Private to verify/.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/file.hh"

namespace tmb::verify {

struct Folders {
  std::map<std::string, std::uint64_t> objects;  // id, bytes of its file
  std::vector<std::string> strays;               // paths below the repository; temporary files are none
};

// Throws local_io when a folder cannot be listed.
Folders list_folders(const base::Path& repository);

}  // namespace tmb::verify
