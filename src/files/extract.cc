// SPDX-License-Identifier: MIT
#include "files/extract.hh"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/error.hh"
#include "base/fd.hh"

namespace tmb::files {

using base::Error;
using base::ExitCode;
using base::printable;
using base::UniqueFd;
using repository::CarriedFile;

namespace {

constexpr int folder_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

std::vector<std::string> components(const std::string& path) {
  const auto refuse = [&] {
    return Error(ExitCode::damaged,
                 "the snapshot carries a file with an impossible path: " + printable(path));
  };
  if (!path.starts_with('/') || path.find('\0') != std::string::npos) throw refuse();
  std::vector<std::string> out;
  for (std::size_t at = 1; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    std::string part = path.substr(at, end - at);
    if (part.empty() || part == "." || part == "..") throw refuse();
    out.push_back(std::move(part));
    at = end + 1;
  }
  if (out.empty()) throw refuse();
  return out;
}

uid_t find_user(const CarriedFile& file) {
  std::array<char, 16384> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  const bool known = !file.owner.empty() &&
                     ::getpwnam_r(file.owner.c_str(), &entry, buffer.data(), buffer.size(), &found) == 0 &&
                     found != nullptr;
  return known ? entry.pw_uid : file.uid;
}

gid_t find_group(const CarriedFile& file) {
  std::array<char, 16384> buffer{};
  group entry{};
  group* found = nullptr;
  const bool known = !file.group.empty() &&
                     ::getgrnam_r(file.group.c_str(), &entry, buffer.data(), buffer.size(), &found) == 0 &&
                     found != nullptr;
  return known ? entry.gr_gid : file.gid;
}

class Extractor {
 public:
  Extractor(const base::Path& folder, const Fetch& fetch) : folder_(folder), fetch_(fetch) {
    base::make_directory(folder);
    std::error_code error;
    const bool empty = std::filesystem::is_empty(folder, error);
    if (error) throw base::system_error(error.value(), "cannot list " + printable(folder.string()));
    if (!empty) {
      throw Error(ExitCode::refused, printable(folder.string()) + " is not empty")
          .with_hint("name a new folder with --files-to");
    }
    root_ = UniqueFd(::open(folder.c_str(), folder_flags));
    if (!root_) throw base::system_error(errno, "cannot open " + printable(folder.string()));
  }

  void add(const CarriedFile& file) {
    const std::vector<std::string> parts = components(file.path);
    const UniqueFd parent = open_parent(parts, file);
    switch (file.kind) {
      case CarriedFile::Kind::folder: make_folder(parent, parts.back(), file); break;
      case CarriedFile::Kind::file: write_file(parent, parts.back(), file); break;
      case CarriedFile::Kind::link: make_link(parent, parts.back(), file); break;
    }
  }

  // Folders last, the deepest first: one without the right to write would stop what goes into it.
  void finish_folder(const CarriedFile& file) {
    const std::vector<std::string> parts = components(file.path);
    const UniqueFd parent = open_parent(parts, file);
    const UniqueFd fd(::openat(parent.get(), parts.back().c_str(), folder_flags));
    if (!fd) throw failed("cannot open", file);
    set_properties(fd, file);
  }

  Extracted out;

 private:
  Error failed(const char* what, const CarriedFile& file) const {
    const int error = errno;
    return base::system_error(error, std::string(what) + " " + printable(folder_.string() + file.path));
  }

  // Step by step and through no link, whatever the manifest made before.
  UniqueFd open_parent(const std::vector<std::string>& parts, const CarriedFile& file) const {
    UniqueFd at(::fcntl(root_.get(), F_DUPFD_CLOEXEC, 0));
    if (!at) throw failed("cannot open", file);
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      const bool made = ::mkdirat(at.get(), parts[i].c_str(), 0700) == 0;
      if (!made && errno != EEXIST) throw failed("cannot make the folder of", file);
      UniqueFd next(::openat(at.get(), parts[i].c_str(), folder_flags));
      if (!next) throw failed("cannot open the folder of", file);
      // One that the snapshot does not carry, such as /etc, as it is everywhere: who copies all of this over
      // a system must not close it to everybody. The folder around it is private.
      if (made && ::fchmod(next.get(), 0755) != 0) throw failed("cannot set the mode of the folder of", file);
      at = std::move(next);
    }
    return at;
  }

  static void make_folder(const UniqueFd& parent, const std::string& name, const CarriedFile& file) {
    if (::mkdirat(parent.get(), name.c_str(), 0700) != 0 && errno != EEXIST)
      throw base::system_error(errno, "cannot make the folder " + printable(file.path));
  }

  void write_file(const UniqueFd& parent, const std::string& name, const CarriedFile& file) {
    const UniqueFd fd(
        ::openat(parent.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd) throw failed("cannot make", file);
    std::uint64_t bytes = 0;
    for (const repository::ObjectRef& ref : file.objects) {
      fetch_(ref, content_);
      base::write_all(fd.get(), content_, printable(file.path));
      bytes += content_.size();
    }
    if (bytes != file.bytes)
      throw Error(ExitCode::damaged, "the carried file " + printable(file.path) +
                                         " has another length than its "
                                         "manifest says");
    set_properties(fd, file);
    if (::fsync(fd.get()) != 0) throw failed("cannot sync", file);
    ++out.files;
    out.bytes += bytes;
  }

  void make_link(const UniqueFd& parent, const std::string& name, const CarriedFile& file) {
    if (::symlinkat(file.target.c_str(), parent.get(), name.c_str()) != 0)
      throw failed("cannot make the link", file);
    ++out.files;
  }

  void set_properties(const UniqueFd& fd, const CarriedFile& file) {
    bool owned = true;
    if (::geteuid() == 0 && ::fchown(fd.get(), find_user(file), find_group(file)) != 0) {
      owned = false;
      out.problems.push_back(failed("cannot set the owner of", file).message());
    }
    // Without its owner, a file is nobody's business but ours.
    const unsigned mode = owned ? file.mode & 0777U : file.mode & 0700U;
    if (::fchmod(fd.get(), mode) != 0) throw failed("cannot set the mode of", file);
    const std::array<timespec, 2> times{timespec{file.modified, 0}, timespec{file.modified, 0}};
    if (::futimens(fd.get(), times.data()) != 0) throw failed("cannot set the time of", file);
  }

  const base::Path& folder_;
  const Fetch& fetch_;
  UniqueFd root_;
  std::string content_;
};

}  // namespace

Extracted extract(const std::vector<CarriedFile>& files, const base::Path& folder, const Fetch& fetch) {
  for (const CarriedFile& file : files) static_cast<void>(components(file.path));  // before anything is made
  Extractor extractor(folder, fetch);
  std::vector<const CarriedFile*> folders;
  for (const CarriedFile& file : files) {
    extractor.add(file);
    if (file.kind == CarriedFile::Kind::folder) folders.push_back(&file);
  }
  std::ranges::sort(folders, [](const auto* a, const auto* b) { return a->path.size() > b->path.size(); });
  for (const CarriedFile* file : folders) extractor.finish_folder(*file);
  return std::move(extractor.out);
}

}  // namespace tmb::files
