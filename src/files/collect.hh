// SPDX-License-Identifier: MIT
// Files and folders that a snapshot carries besides the database: read, cut into pieces, described. Follows
// no link inside a folder. What cannot be read is said, and the rest is carried.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.hh"
#include "repository/manifest.hh"

namespace tmb::files {

struct Wanted {
  std::vector<base::Path> paths;                      // files and folders; one that is a link is followed
  std::vector<base::Path> sqlite;                     // databases of SQLite
  std::map<base::Path, base::Path> copies;            // files whose content is read from another one
  std::vector<std::string> exclude;                   // shell patterns of names inside folders
  std::uint64_t max_bytes = std::uint64_t{1} << 30U;  // of all together
  bool empty() const { return paths.empty() && sqlite.empty() && copies.empty(); }
};

struct Collected {
  std::vector<repository::CarriedFile> files;  // by path; a folder before what is in it
  std::uint64_t bytes = 0;
  std::vector<std::string> problems;  // "cannot read /etc/x: Permission denied"
};

// Keeps one piece of at most 8 MiB.
using Store = std::function<repository::ObjectRef(std::string_view piece)>;

// Throws what `store` throws; refused when it is more than max_bytes.
Collected collect(const Wanted& wanted, const Store& store);

}  // namespace tmb::files
