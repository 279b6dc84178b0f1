// SPDX-License-Identifier: MIT
// Locks between processes: one byte of a lock file that is never unlinked. The kernel frees them when
// their owner dies; there is no timeout, no stealing and no unlock command.
#pragma once

#include <cstdint>
#include <optional>

#include "base/fd.hh"
#include "base/file.hh"

namespace tmb::base {

enum class LockMode { shared, exclusive };

class FileLock {
 public:
  // Tries once. nullopt when another holds it. Throws refused where the file system knows no locks,
  // local_io for the rest. A shared lock needs only read access to the file.
  static std::optional<FileLock> try_acquire(const Path& path, std::uint64_t byte, LockMode mode);

 private:
  explicit FileLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace tmb::base
