// SPDX-License-Identifier: MIT
#include "files/collect.hh"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>

#include "base/error.hh"
#include "base/fd.hh"
#include "files/sqlite_copy.hh"

namespace tmb::files {

using base::Error;
using base::ExitCode;
using base::printable;
using repository::CarriedFile;

namespace {

constexpr std::size_t piece_bytes = std::size_t{8} << 20U;

std::string name_of_user(uid_t uid) {
  std::array<char, 16384> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  return ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr
             ? entry.pw_name
             : "";
}

std::string name_of_group(gid_t gid) {
  std::array<char, 16384> buffer{};
  group entry{};
  group* found = nullptr;
  return ::getgrgid_r(gid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr
             ? entry.gr_name
             : "";
}

CarriedFile describe(const base::Path& path, const struct stat& status, CarriedFile::Kind kind) {
  CarriedFile file;
  file.path = path.string();
  file.kind = kind;
  file.mode = status.st_mode & 07777U;
  file.owner = name_of_user(status.st_uid);
  file.group = name_of_group(status.st_gid);
  file.uid = status.st_uid;
  file.gid = status.st_gid;
  file.modified = status.st_mtim.tv_sec;
  return file;
}

class Collector {
 public:
  Collector(const Wanted& wanted, const Store& store) : wanted_(wanted), store_(store) {}

  void add(const base::Path& path) {
    struct stat status {};
    // Who names a link means what is behind it: secret managers and NixOS put links everywhere.
    if (::stat(path.c_str(), &status) != 0) return problem("cannot read", path, errno);
    add_entry(path, status, 0);
  }

  // systemd hands a unit that may not read `path` a copy of it.
  void add_copy(const base::Path& path, const base::Path& copy) {
    struct stat status {};
    if (::stat(copy.c_str(), &status) != 0 || !S_ISREG(status.st_mode))
      return problem("cannot read", copy, errno);
    struct stat original {};
    if (::stat(path.c_str(), &original) != 0 || !S_ISREG(original.st_mode)) {
      original = status;  // cannot be looked at: then it is root's, and private
      original.st_mode = S_IFREG | 0600U;
      original.st_uid = 0;
      original.st_gid = 0;
    }
    if (!seen_.insert(path.string()).second) return;
    read_file(copy, describe(path, original, CarriedFile::Kind::file), status, 0);
  }

  void add_sqlite(const base::Path& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return problem("cannot read", path, errno);
    if (!seen_.insert(path.string()).second) return;
    CarriedFile file = describe(path, status, CarriedFile::Kind::file);
    std::string content;
    try {
      content = copy_sqlite(path, wanted_.max_bytes - out.bytes);
    } catch (const Error& error) {
      if (error.code() == ExitCode::refused) throw;
      out.problems.push_back(error.message());
      return;
    }
    for (std::size_t at = 0; at < content.size(); at += piece_bytes)
      keep(file, std::string_view(content).substr(at, piece_bytes));
    out.files.push_back(std::move(file));
  }

  Collected out;

 private:
  void problem(const char* what, const base::Path& path, int error) {
    out.problems.push_back(
        base::system_error(error, std::string(what) + " " + printable(path.string())).message());
  }

  bool excluded(const std::string& name) const {
    return std::ranges::any_of(wanted_.exclude, [&](const std::string& pattern) {
      return ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
    });
  }

  void keep(CarriedFile& file, std::string_view piece) {
    out.bytes += piece.size();
    file.bytes += piece.size();
    if (out.bytes > wanted_.max_bytes) {
      throw Error(ExitCode::refused,
                  "the files that the snapshot should carry are larger than [files] max_mib (" +
                      std::to_string(wanted_.max_bytes >> 20U) + " MiB), with " + printable(file.path))
          .with_hint("name less in [files], or raise max_mib");
    }
    file.objects.push_back(store_(piece));
  }

  void add_entry(const base::Path& path, const struct stat& status, unsigned depth) {
    if (!seen_.insert(path.string()).second) return;
    if (S_ISREG(status.st_mode)) {
      add_file(path, status, depth);
    } else if (S_ISDIR(status.st_mode)) {
      add_folder(path, status, depth);
    } else if (S_ISLNK(status.st_mode)) {
      add_link(path, status);
    } else {
      out.problems.push_back(printable(path.string()) + " is neither a file nor a folder and is left out");
    }
  }

  void add_file(const base::Path& path, const struct stat& status, unsigned depth) {
    read_file(path, describe(path, status, CarriedFile::Kind::file), status, depth);
  }

  // `file` describes it, `path` is where its content is.
  void read_file(const base::Path& path, CarriedFile file, const struct stat& status, unsigned depth) {
    // Only the named ones may be links.
    const int nofollow = depth > 0 ? O_NOFOLLOW : 0;
    const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | nofollow));
    if (!fd) return problem("cannot read", path, errno);
    std::string piece(std::min<std::size_t>(piece_bytes, static_cast<std::size_t>(status.st_size) + 1), '\0');
    std::size_t filled = 0;
    for (;;) {
      const ssize_t got = ::read(fd.get(), piece.data() + filled, piece.size() - filled);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return problem("cannot read", path, errno);
      filled += static_cast<std::size_t>(got);
      if (got == 0) break;
      if (filled < piece.size()) continue;
      if (piece.size() < piece_bytes) {
        piece.resize(piece_bytes);
        continue;
      }
      keep(file, piece);
      filled = 0;
    }
    if (filled > 0) keep(file, std::string_view(piece).substr(0, filled));
    out.files.push_back(std::move(file));
  }

  void add_link(const base::Path& path, const struct stat& status) {
    std::error_code error;
    CarriedFile link = describe(path, status, CarriedFile::Kind::link);
    link.target = std::filesystem::read_symlink(path, error).string();
    if (error) return problem("cannot read", path, error.value());
    out.files.push_back(std::move(link));
  }

  void add_folder(const base::Path& path, const struct stat& status, unsigned depth) {
    constexpr unsigned deepest = 64;
    if (depth > deepest) {
      out.problems.push_back(printable(path.string()) + " is too deep and is left out");
      return;
    }
    out.files.push_back(describe(path, status, CarriedFile::Kind::folder));
    std::vector<base::Path> entries;
    std::error_code error;
    for (std::filesystem::directory_iterator it(path, error), end; !error && it != end; it.increment(error))
      entries.push_back(it->path());
    if (error) return problem("cannot list", path, error.value());
    std::ranges::sort(entries);
    for (const base::Path& entry : entries) {
      struct stat inner {};
      if (excluded(entry.filename().string())) continue;
      if (::lstat(entry.c_str(), &inner) != 0) {
        problem("cannot read", entry, errno);
      } else {
        add_entry(entry, inner, depth + 1);
      }
    }
  }

  const Wanted& wanted_;
  const Store& store_;
  std::set<std::string> seen_;
};

}  // namespace

Collected collect(const Wanted& wanted, const Store& store) {
  Collector collector(wanted, store);
  // First: where a folder holds a database of SQLite, the copy that SQLite makes is the one that counts.
  for (const base::Path& path : wanted.sqlite) collector.add_sqlite(path.lexically_normal());
  for (const auto& [path, copy] : wanted.copies) collector.add_copy(path.lexically_normal(), copy);
  for (const base::Path& path : wanted.paths) collector.add(path.lexically_normal());
  std::ranges::sort(collector.out.files, {}, &CarriedFile::path);
  return std::move(collector.out);
}

}  // namespace tmb::files
