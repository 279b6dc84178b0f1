// SPDX-License-Identifier: MIT
#include "archive/file_identity.hh"

#include <cerrno>

#include "base/error.hh"

namespace tmb::archive {

FileIdentity::FileIdentity(const struct stat& status)
    : device(status.st_dev),
      inode(status.st_ino),
      size(status.st_size),
      modified(status.st_mtim),
      changed(status.st_ctim) {}

bool FileIdentity::operator==(const FileIdentity& other) const {
  const auto same = [](const timespec& a, const timespec& b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
  };
  return device == other.device && inode == other.inode && size == other.size &&
         same(modified, other.modified) && same(changed, other.changed);
}

struct stat status_of(int fd, const base::Path& path) {
  struct stat status {};
  if (::fstat(fd, &status) != 0)
    throw base::system_error(errno, "cannot look at " + base::printable(path.string()));
  return status;
}

}  // namespace tmb::archive
