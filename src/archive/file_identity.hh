// SPDX-License-Identifier: MIT
// Which file it is and as of when, to notice that it was changed while it was read. Private to archive/.
#pragma once

#include <sys/stat.h>

#include "base/file.hh"

namespace tmb::archive {

// What only one part of a file's identity would miss: a file written over in place, and one put in its place.
struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  timespec modified{};
  timespec changed{};

  explicit FileIdentity(const struct stat& status);
  bool operator==(const FileIdentity& other) const;
};

// Throws base::Error with the path when the descriptor cannot be looked at.
struct stat status_of(int fd, const base::Path& path);

}  // namespace tmb::archive
