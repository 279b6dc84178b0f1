// SPDX-License-Identifier: MIT
// Whether the argument of a program is a path or the name of a snapshot.
#pragma once

#include <filesystem>
#include <string>

namespace tmb::tools {

// There is such a file, or it has a slash in it.
inline bool is_file_argument(const std::string& argument) {
  std::error_code error;
  return argument.find('/') != std::string::npos ||
         std::filesystem::exists(std::filesystem::symlink_status(argument, error));
}

}  // namespace tmb::tools
