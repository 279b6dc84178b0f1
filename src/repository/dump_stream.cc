// SPDX-License-Identifier: MIT
#include "repository/dump_stream.hh"

#include <algorithm>

namespace tmb::repository {

std::size_t DumpStream::read(std::span<char> out) {
  while (at_ == piece_.size()) {
    const auto& dump = source_.manifest().dump;
    if (next_ == dump.size()) return 0;
    source_.read(ObjectType::schema, dump[next_++], workspace_, piece_);
    at_ = 0;
  }
  const std::size_t count = std::min(out.size(), piece_.size() - at_);
  std::copy_n(piece_.begin() + static_cast<std::ptrdiff_t>(at_), count, out.begin());
  at_ += count;
  return count;
}

}  // namespace tmb::repository
