// SPDX-License-Identifier: MIT
#include "base/output_file.hh"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.hh"

namespace tmb::base {

namespace {

// Handed to the disk while the next pieces are made, so that the sync at the end has little left to do.
constexpr std::uint64_t flush_bytes = std::uint64_t{32} << 20U;

std::string quoted(const Path& path) { return printable(path.string()); }

Path folder_of(const Path& path) { return path.has_parent_path() ? path.parent_path() : Path("."); }

Path temporary_name(const Path& target) {
  return folder_of(target) / (".tmp-" + std::to_string(::getpid()) + "-" + target.filename().string());
}

bool has_no_unnamed_files(int error) { return error == EOPNOTSUPP || error == EISDIR || error == ENOENT; }

// False when nothing stands there.
bool refuse_anything_but_a_file(const Path& target) {
  struct stat status {};
  if (::lstat(target.c_str(), &status) != 0) {
    if (errno == ENOENT) return false;
    throw system_error(errno, "cannot look at " + quoted(target));
  }
  if (S_ISREG(status.st_mode)) return true;
  throw Error(ExitCode::refused, quoted(target) + " is there and is not a regular file")
      .with_hint("name another file, or - for the standard output");
}

}  // namespace

OutputFile::OutputFile(Path target, Overwrite overwrite) : target_(std::move(target)), overwrite_(overwrite) {
  if (!target_.has_filename()) throw Error(ExitCode::refused, quoted(target_) + " is not the name of a file");
  if (refuse_anything_but_a_file(target_) && overwrite_ == Overwrite::no) {
    throw Error(ExitCode::refused, quoted(target_) + " exists already")
        .with_hint("name another file, or replace it with --force");
  }
  fd_ = UniqueFd(::open(folder_of(target_).c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd_ && has_no_unnamed_files(errno)) {
    const Path name = temporary_name(target_);
    fd_ = UniqueFd(::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (fd_) temporary_ = name;
  }
  if (!fd_) throw system_error(errno, "cannot create a file in " + quoted(folder_of(target_)));
  if (::fchmod(fd_.get(), 0600) != 0) {
    const int error = errno;
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
    throw system_error(error, "cannot set the mode of " + quoted(target_));
  }
}

OutputFile::~OutputFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void OutputFile::write(std::string_view bytes) {
  write_all(fd_.get(), bytes, target_.string());
  size_ += bytes.size();
  if (size_ - flushed_ < flush_bytes) return;
  // Only to be early: what goes wrong here is told by the sync.
  ::sync_file_range(fd_.get(), static_cast<off_t>(flushed_), static_cast<off_t>(size_ - flushed_),
                    SYNC_FILE_RANGE_WRITE);
  flushed_ = size_;
}

void OutputFile::link_name(const Path& name) const {
  const std::string self = "/proc/self/fd/" + std::to_string(fd_.get());
  const int done = temporary_.empty()
                       ? ::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW)
                       : ::link(temporary_.c_str(), name.c_str());
  if (done == 0) return;
  const int error = errno;
  if (error == EEXIST) {
    throw Error(ExitCode::refused, quoted(name) + " exists already")
        .with_hint("name another file, or replace it with --force");
  }
  throw system_error(error, "cannot give the finished file the name " + quoted(name));
}

void OutputFile::commit() {
  // A failed fsync is final: the kernel may have dropped the pages, so trying again would prove nothing.
  if (::fsync(fd_.get()) != 0) throw system_error(errno, "cannot sync " + quoted(target_));
  const bool replace = refuse_anything_but_a_file(target_);
  if (replace && overwrite_ == Overwrite::yes) {
    if (temporary_.empty()) {
      const Path name = temporary_name(target_);
      ::unlink(name.c_str());
      link_name(name);
      temporary_ = name;
    }
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) {
      throw system_error(errno, "cannot rename " + quoted(temporary_) + " to " + quoted(target_));
    }
    temporary_.clear();
    sync_directory(folder_of(target_));
    return;
  }
  link_name(target_);
  try {
    sync_directory(folder_of(target_));
    fd_.close_checked(target_.string());
  } catch (const Error&) {
    // What the caller is told has failed must not be there.
    ::unlink(target_.c_str());
    throw;
  }
}

UniqueFd scratch_file(const Path& folder) {
  UniqueFd fd(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd && has_no_unnamed_files(errno)) {
    std::string name = (folder / ".tmp-XXXXXX").string();
    fd = UniqueFd(::mkostemp(name.data(), O_CLOEXEC));
    if (fd) ::unlink(name.c_str());
  }
  if (!fd) throw system_error(errno, "cannot create a file in " + quoted(folder));
  return fd;
}

}  // namespace tmb::base
