// SPDX-License-Identifier: MIT
// Bytes read once, from the first to the last: a file, what comes out of a container, what a child writes.
#pragma once

#include <cstddef>
#include <span>

namespace tmb::base {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Fills at most all of `out`, at least one byte; 0 means the end, which has then been checked as far as the
  // source can (sums of containers, a child's exit code). Throws local_io, damaged, interrupted.
  virtual std::size_t read(std::span<char> out) = 0;
};

}  // namespace tmb::base
