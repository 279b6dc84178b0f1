// SPDX-License-Identifier: MIT
// Counts the rows of COPY text.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace tmb::base {

// Newlines in `text`. By memchr, which looks at many bytes at a time where std::count looks at one.
inline std::uint64_t count_newlines(std::string_view text) {
  std::uint64_t count = 0;
  while (!text.empty()) {
    const auto* found = static_cast<const char*>(std::memchr(text.data(), '\n', text.size()));
    if (found == nullptr) break;
    ++count;
    text.remove_prefix(static_cast<std::size_t>(found - text.data()) + 1);
  }
  return count;
}

}  // namespace tmb::base
