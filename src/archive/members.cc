// SPDX-License-Identifier: MIT
// The layers that libarchive reads: each handle knows one filter or one format and nothing else.
#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <set>
#include <utility>

#include "archive/sources.hh"
#include "base/error.hh"

namespace tmb::archive {

using base::Error;
using base::ExitCode;
using base::printable;

namespace {

constexpr std::size_t block = std::size_t{64} << 10U;
constexpr std::size_t most_entries = 10000;

// One libarchive handle over a ByteSource, or over a file where the format has to seek.
class Handle {
 public:
  Handle(Source inner, std::string kind) : inner_(std::move(inner)), buffer_(block), kind_(std::move(kind)) {}
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { archive_read_free(archive_); }

  struct archive* raw() {
    return archive_;
  }
  std::uint64_t position() const { return static_cast<std::uint64_t>(at_); }  // of a file that is sought in

  void open() { check(archive_read_open(archive_, this, nullptr, read_callback, nullptr)); }

  void open_seekable(int fd) {
    seek_fd_ = fd;
    archive_read_set_read_callback(archive_, read_callback);
    archive_read_set_seek_callback(archive_, seek_callback);
    archive_read_set_callback_data(archive_, this);
    check(archive_read_open1(archive_));
  }

  // False at the end.
  bool next(archive_entry** entry) {
    const int result = archive_read_next_header(archive_, entry);
    if (result == ARCHIVE_EOF) {
      rethrow();
      return false;
    }
    check(result);
    return true;
  }

  std::size_t read(std::span<char> out) {
    const la_ssize_t got = archive_read_data(archive_, out.data(), out.size());
    if (got < 0) check(static_cast<int>(got));
    rethrow();
    return static_cast<std::size_t>(got);
  }

  // A warning is a failure: it means that something was not as the format wants it.
  void check(int result) {
    rethrow();
    if (result == ARCHIVE_OK) return;
    const char* text = archive_error_string(archive_);
    throw Error(ExitCode::damaged,
                "the " + kind_ + " is damaged: " + printable(text == nullptr ? "no reason given" : text));
  }

 private:
  void rethrow() {
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  }

  static la_ssize_t read_callback(struct archive* a, void* self, const void** out) {
    auto* handle = static_cast<Handle*>(self);
    *out = handle->buffer_.data();
    try {
      if (handle->seek_fd_ < 0) return static_cast<la_ssize_t>(handle->inner_->read(handle->buffer_));
      const ssize_t got = ::pread(handle->seek_fd_, handle->buffer_.data(), block, handle->at_);
      if (got > 0) handle->at_ += got;
      if (got >= 0) return got;
    } catch (...) {
      handle->failure_ = std::current_exception();
    }
    archive_set_error(a, EIO, "cannot be read");
    return ARCHIVE_FATAL;
  }

  static la_int64_t seek_callback(struct archive*, void* self, la_int64_t offset, int whence) {
    auto* handle = static_cast<Handle*>(self);
    struct stat status {};
    if (::fstat(handle->seek_fd_, &status) != 0) return ARCHIVE_FATAL;
    const la_int64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? handle->at_ : status.st_size;
    handle->at_ = std::clamp<la_int64_t>(base + offset, 0, status.st_size);
    return handle->at_;
  }

  struct archive* archive_ = archive_read_new();
  Source inner_;
  std::vector<char> buffer_;
  std::string kind_;
  std::exception_ptr failure_;
  int seek_fd_ = -1;
  la_int64_t at_ = 0;
};

// Names that would be written elsewhere by a program that unpacks. Nothing is unpacked here, but whoever made
// such a file meant harm.
bool is_safe(const std::string& name) {
  if (name.empty() || name.front() == '/' || name.find('\\') != std::string::npos) return false;
  if (name.find('\0') != std::string::npos) return false;
  const std::string framed = "/" + name + "/";
  return framed.find("/../") == std::string::npos;
}

class Entries {
 public:
  explicit Entries(Handle& handle) : handle_(handle) {}

  // The next regular file; folders are passed over. False at the end.
  bool next(Member& member) {
    for (archive_entry* entry = nullptr; handle_.next(&entry);) {
      if (++seen_ > most_entries) throw Error(ExitCode::damaged, "it holds more than 10000 files");
      const char* name = archive_entry_pathname(entry);
      member = {name == nullptr ? "" : name, 0, "", seen_ - 1};
      check(entry, member.name);
      if (archive_entry_filetype(entry) == AE_IFDIR) continue;
      member.size =
          archive_entry_size_is_set(entry) != 0 ? static_cast<std::uint64_t>(archive_entry_size(entry)) : 0;
      return true;
    }
    return false;
  }

 private:
  void check(archive_entry* entry, const std::string& name) {
    const auto refuse = [&](const std::string& why) {
      throw Error(ExitCode::damaged, "its entry " + printable(name) + " is refused: " + why);
    };
    if (!is_safe(name)) throw UnsafeName(name);
    if (!names_.insert(name).second) refuse("it is there twice");
    const auto type = archive_entry_filetype(entry);
    const bool link = archive_entry_hardlink(entry) != nullptr || archive_entry_symlink(entry) != nullptr;
    if (link || (type != AE_IFREG && type != AE_IFDIR)) refuse("it is no ordinary file");
    if (archive_entry_sparse_count(entry) > 0) refuse("it has holes");
    if (archive_entry_is_encrypted(entry) != 0) refuse("it is encrypted; unpack it with its password first");
  }

  Handle& handle_;
  std::set<std::string> names_;
  std::size_t seen_ = 0;
};

std::string read_beginning(Handle& handle) {
  std::string out(block, '\0');
  std::size_t size = 0;
  while (size < out.size()) {
    const std::size_t got = handle.read({out.data() + size, out.size() - size});
    if (got == 0) break;
    size += got;
  }
  out.resize(size);
  return out;
}

void open_tar(Handle& handle) {
  archive_read_support_format_tar(handle.raw());
  handle.open();
}

void open_zip(Handle& handle, int fd) {
  archive_read_support_format_zip_seekable(handle.raw());
  handle.open_seekable(fd);
}

void list(Handle& handle, const std::function<bool(const Member&)>& look) {
  Entries entries(handle);
  for (Member member; entries.next(member);) {
    member.beginning = read_beginning(handle);
    if (!look(member)) return;
  }
}

class FilterSource final : public base::ByteSource {
 public:
  FilterSource(Source inner, Filter filter) : handle_(std::move(inner), name_of(filter)) {
    if (filter == Filter::zstd) archive_read_support_filter_zstd(handle_.raw());
    if (filter == Filter::xz) archive_read_support_filter_xz(handle_.raw());
    if (filter == Filter::bzip2) archive_read_support_filter_bzip2(handle_.raw());
    archive_read_support_format_raw(handle_.raw());
    archive_read_support_format_empty(handle_.raw());
    handle_.open();
    archive_entry* entry = nullptr;
    empty_ = !handle_.next(&entry);
  }

  std::size_t read(std::span<char> out) override { return empty_ ? 0 : handle_.read(out); }

 private:
  static std::string name_of(Filter filter) {
    return filter == Filter::zstd ? "zstd data" : filter == Filter::xz ? "xz data" : "bzip2 data";
  }

  Handle handle_;
  bool empty_ = false;
};

class MemberSource final : public base::ByteSource {
 public:
  // `position`, where it is not null, follows the place in the file.
  MemberSource(Source inner, const std::string& kind, std::function<void(const Member&)> other,
               std::atomic<std::uint64_t>* position)
      : handle_(std::move(inner), kind), entries_(handle_), other_(std::move(other)), position_(position) {}

  Handle& handle() { return handle_; }

  void go_to(std::size_t number) {
    while (entries_.next(member_)) {
      if (member_.number == number) return;
    }
    throw Error(ExitCode::damaged, "it changed while it was read: an entry is gone");
  }

  std::size_t read(std::span<char> out) override {
    if (ended_) return 0;
    const std::size_t got = handle_.read(out);
    if (position_ != nullptr) *position_ = handle_.position();
    if (got == 0) finish();
    return got;
  }

 private:
  // The rest has to be sound too: a file that was cut off ends somewhere behind our entry, perhaps.
  void finish() {
    ended_ = true;
    while (entries_.next(member_)) {
      member_.beginning = read_beginning(handle_);
      if (other_) other_(member_);
    }
  }

  Handle handle_;
  Entries entries_;
  Member member_;
  std::function<void(const Member&)> other_;
  std::atomic<std::uint64_t>* position_;
  bool ended_ = false;
};

}  // namespace

UnsafeName::UnsafeName(const std::string& name)
    : Error(ExitCode::damaged,
            "its entry " + printable(name) + " is refused: such a name leads out of the folder"),
      name_(name) {}

Source filter_source(Source inner, Filter filter) {
  return std::make_unique<FilterSource>(std::move(inner), filter);
}

void list_tar(Source inner, const std::function<bool(const Member&)>& look) {
  Handle handle(std::move(inner), "tar");
  open_tar(handle);
  list(handle, look);
}

void list_zip(int fd, const std::function<bool(const Member&)>& look) {
  Handle handle(nullptr, "zip");
  open_zip(handle, fd);
  list(handle, look);
}

Source tar_member(Source inner, std::size_t number, std::function<void(const Member&)> other) {
  auto out = std::make_unique<MemberSource>(std::move(inner), "tar", std::move(other), nullptr);
  open_tar(out->handle());
  out->go_to(number);
  return out;
}

Source zip_member(int fd, std::size_t number, std::atomic<std::uint64_t>& position) {
  auto out = std::make_unique<MemberSource>(nullptr, "zip", nullptr, &position);
  open_zip(out->handle(), fd);
  out->go_to(number);
  return out;
}

}  // namespace tmb::archive
