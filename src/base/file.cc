// SPDX-License-Identifier: MIT
#include "base/file.hh"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>

#include "base/error.hh"
#include "base/file_owner.hh"

namespace tmb::base {

namespace {

constexpr std::string_view temporary_prefix = ".tmp-";

std::string quoted(const Path& path) { return printable(path.string()); }

UniqueFd open_for_reading(const Path& path) {
  // O_NONBLOCK: a FIFO put in place of a file must not hang us; it has no effect on regular files.
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
}

std::string read_opened(const UniqueFd& file, const Path& path, std::uint64_t limit) {
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) throw system_error(errno, "cannot stat " + quoted(path));
  if (!S_ISREG(status.st_mode)) throw Error(ExitCode::local_io, quoted(path) + " is not a regular file");
  const auto size = static_cast<std::uint64_t>(status.st_size);
  const auto too_long = [&] {
    return Error(ExitCode::damaged, quoted(path) + " is longer than the " + std::to_string(limit) +
                                        " bytes that such a file may have");
  };
  if (size > limit) throw too_long();
  std::string bytes(static_cast<std::size_t>(size), '\0');
  bytes.resize(read_some(file.get(), bytes, path.string()));
  std::array<char, 1> more{};
  if (bytes.size() == size && read_some(file.get(), more, path.string()) > 0) throw too_long();
  return bytes;
}

// A temporary file that is gone again unless it was renamed.
class TemporaryFile {
 public:
  TemporaryFile(const Path& target, unsigned mode) {
    static std::atomic<unsigned> counter{0};  // names only have to differ inside one process
    path_ = target.parent_path() / (std::string(temporary_prefix) + std::to_string(::getpid()) + "-" +
                                    std::to_string(counter++) + "-" + target.filename().string());
    fd_ = UniqueFd(::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd_) throw system_error(errno, "cannot create " + quoted(path_));
    there_ = true;
    if (::fchmod(fd_.get(), mode) != 0) {
      const int error = errno;
      ::unlink(path_.c_str());
      throw system_error(error, "cannot set the mode of " + quoted(path_));
    }
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (there_) ::unlink(path_.c_str());
  }

  int fd() const { return fd_.get(); }
  const Path& path() const { return path_; }

  void close() { fd_.close_checked(path_.string()); }

  void rename_to(const Path& target) {
    if (::rename(path_.c_str(), target.c_str()) != 0) {
      throw system_error(errno, "cannot rename " + quoted(path_) + " to " + quoted(target));
    }
    there_ = false;
  }

  // Fails where `target` exists, unlike rename.
  void link_to(const Path& target) const {
    if (::link(path_.c_str(), target.c_str()) != 0) {
      const int error = errno;
      if (error == EEXIST) throw Error(ExitCode::refused, quoted(target) + " exists already");
      throw system_error(error, "cannot link " + quoted(path_) + " to " + quoted(target));
    }
  }

 private:
  Path path_;
  UniqueFd fd_;
  bool there_ = false;
};

void compare_with_disk(int fd, std::string_view bytes, const Path& path) {
  if (::lseek(fd, 0, SEEK_SET) != 0) throw system_error(errno, "cannot seek in " + quoted(path));
  std::array<char, 65536> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled by read
  std::size_t at = 0;
  while (true) {
    const std::size_t got = read_some(fd, buffer, path.string());
    if (got == 0) break;
    if (bytes.substr(at, got) != std::string_view(buffer.data(), got)) {
      throw Error(ExitCode::damaged, "what was written to " + quoted(path) + " reads back differently")
          .with_hint("check the memory and the disk of this machine");
    }
    at += got;
  }
  if (at != bytes.size()) {
    throw Error(ExitCode::damaged, "what was written to " + quoted(path) + " reads back shorter");
  }
}

}  // namespace

std::string read_file(const Path& path, std::uint64_t limit) {
  const UniqueFd file = open_for_reading(path);
  if (!file) throw system_error(errno, "cannot open " + quoted(path));
  return read_opened(file, path, limit);
}

std::optional<std::string> read_file_if_there(const Path& path, std::uint64_t limit) {
  const UniqueFd file = open_for_reading(path);
  if (!file && errno == ENOENT) return std::nullopt;
  if (!file) throw system_error(errno, "cannot open " + quoted(path));
  return read_opened(file, path, limit);
}

void publish_file_unsynced_name(const Path& path, std::string_view bytes, Overwrite overwrite,
                                unsigned mode) {
  publish_file_unsynced_name_for({}, path, bytes, overwrite, mode);
}

void publish_file_unsynced_name_for(const std::optional<Owner>& owner, const Path& path,
                                    std::string_view bytes, Overwrite overwrite, unsigned mode) {
  TemporaryFile file(path, mode);
  write_all(file.fd(), bytes, file.path().string());
  // Before it has its name: a run that is killed leaves no file that its owner cannot read.
  if (owner && ::fchown(file.fd(), owner->uid, owner->gid) != 0)
    throw system_error(errno, "cannot give away " + quoted(file.path()));
  // A failed fsync is final: the kernel may have dropped the pages, so trying again would prove nothing.
  if (::fsync(file.fd()) != 0) throw system_error(errno, "cannot sync " + quoted(file.path()));
  compare_with_disk(file.fd(), bytes, file.path());
  file.close();
  if (overwrite == Overwrite::yes) {
    file.rename_to(path);
  } else {
    file.link_to(path);
  }
}

void publish_file(const Path& path, std::string_view bytes, Overwrite overwrite, unsigned mode) {
  publish_file_for({}, path, bytes, overwrite, mode);
}

void publish_file_for(const std::optional<Owner>& owner, const Path& path, std::string_view bytes,
                      Overwrite overwrite, unsigned mode) {
  publish_file_unsynced_name_for(owner, path, bytes, overwrite, mode);
  try {
    sync_directory(path.parent_path());
  } catch (const Error&) {
    // What the caller is told has failed must not be there. A file that was replaced cannot be brought back.
    if (overwrite == Overwrite::no) ::unlink(path.c_str());
    throw;
  }
}

void sync_directory(const Path& directory) {
  const Path path = directory.empty() ? Path(".") : directory;
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) throw system_error(errno, "cannot open " + quoted(path));
  if (::fsync(fd.get()) != 0) throw system_error(errno, "cannot sync " + quoted(path));
}

bool make_directory(const Path& directory) {
  if (::mkdir(directory.c_str(), 0700) == 0) {
    sync_directory(directory.parent_path());
    return true;
  }
  const int error = errno;
  struct stat status {};
  if (error == EEXIST && ::lstat(directory.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode)) return false;
    throw Error(ExitCode::local_io, quoted(directory) + " is there but is not a folder");
  }
  throw system_error(error, "cannot create the folder " + quoted(directory));
}

std::size_t remove_temporary_files(const Path& directory) {
  std::size_t removed = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    if (!it->path().filename().string().starts_with(temporary_prefix)) continue;
    if (::unlink(it->path().c_str()) == 0 || ::rmdir(it->path().c_str()) == 0) ++removed;
  }
  if (error) throw system_error(error.value(), "cannot list " + quoted(directory));
  return removed;
}

UniqueFd memory_file(std::string_view name, std::string_view bytes, std::optional<unsigned> uid) {
  // Not close-on-exec: a child opens it as /proc/self/fd/N.
  UniqueFd file(::memfd_create(std::string(name).c_str(), 0));
  if (!file) throw system_error(errno, "cannot create a file in memory");
  if (::fchmod(file.get(), 0600) != 0) throw system_error(errno, "cannot set the mode of a file in memory");
  write_all(file.get(), bytes, name);
  if (uid && ::fchown(file.get(), *uid, static_cast<gid_t>(-1)) != 0) {
    throw system_error(errno, "cannot give away a file in memory");
  }
  return file;
}

std::string memory_file_path(const UniqueFd& file) { return "/proc/self/fd/" + std::to_string(file.get()); }

std::uint64_t free_space(const Path& path) {
  struct statvfs status {};
  if (::statvfs(path.c_str(), &status) != 0)
    throw system_error(errno, "cannot ask for the free space of " + quoted(path));
  return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

}  // namespace tmb::base
