// SPDX-License-Identifier: MIT
#include "base/lock.hh"

#include <fcntl.h>

#include <cerrno>

#include "base/error.hh"

namespace tmb::base {

std::optional<FileLock> FileLock::try_acquire(const Path& path, std::uint64_t byte, LockMode mode) {
  const int access = mode == LockMode::shared ? O_RDONLY : O_RDWR;
  UniqueFd fd(::open(path.c_str(), access | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd) throw system_error(errno, "cannot open the lock file " + printable(path.string()));
  struct flock range {};
  range.l_type = mode == LockMode::shared ? F_RDLCK : F_WRLCK;
  range.l_whence = SEEK_SET;
  range.l_start = static_cast<off_t>(byte);
  range.l_len = 1;
  // Open file description locks: they belong to this descriptor alone, so closing another descriptor of
  // the same file somewhere in the process does not drop them.
  while (::fcntl(fd.get(), F_OFD_SETLK, &range) != 0) {
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EACCES) return std::nullopt;
    if (errno == ENOLCK || errno == ENOTSUP || errno == ENOSYS || errno == EINVAL) {
      throw system_error(errno, "the file system of " + printable(path.string()) + " has no file locks",
                         ExitCode::refused)
          .with_hint("keep the repository and the state folder on a file system with locks");
    }
    throw system_error(errno, "cannot lock " + printable(path.string()));
  }
  return FileLock(std::move(fd));
}

}  // namespace tmb::base
