// SPDX-License-Identifier: MIT
#include "repository/layout.hh"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/error.hh"
#include "repository/manifest.hh"
#include "repository/owned_file.hh"

namespace tmb::repository {

using base::Error;
using base::ExitCode;
using base::printable;

namespace {

std::string shown(const base::Path& path) { return printable(path.string()); }

// How many entries of the folder fit; 0 when there is no such folder.
template <class Fits>
std::size_t count_in(const base::Path& folder, Fits&& fits) {
  std::size_t count = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (fits(it->path())) ++count;
  }
  const bool absent = error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory;
  if (error && !absent) throw base::system_error(error.value(), "cannot list " + shown(folder));
  return count;
}

bool is_there(const base::Path& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  throw base::system_error(errno, "cannot look at " + shown(path));
}

bool is_manifest(const base::Path& path) {
  return path.extension() == ".json" && is_snapshot_id(path.stem().string());
}

bool is_key_file(const base::Path& path) {
  const std::string name = path.filename().string();
  return name.ends_with(".json") && !name.starts_with(".tmp-");
}

// Empty when nothing of value does.
std::string what_remains(const base::Path& path) {
  if (count_in(path / "snapshots", is_manifest) > 0) return "snapshots";
  bool objects = false;
  for_each_shard(path, [&](const base::Path& shard) {
    objects = objects || count_in(shard, [](const base::Path& file) {
                           return is_object_id(file.filename().string());
                         }) > 0;
  });
  if (objects) return "objects of snapshots";
  for (const char* name : {"tags", "removed.json", "tombstones.json"}) {
    if (is_there(path / name)) return name;
  }
  // A first run publishes one slot, then format.json.
  return count_in(path / "keys", is_key_file) > 1 ? "several keys" : "";
}

}  // namespace

bool is_object_id(std::string_view name) {
  return name.size() == 64 && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

void refuse_foreign_content(const base::Path& path) {
  static constexpr std::array known{"lock", "objects", "snapshots", "keys"};
  std::error_code error;
  std::filesystem::directory_iterator entries(path, error);
  if (error) throw base::system_error(error.value(), "cannot list " + shown(path));
  for (const auto& entry : entries) {
    const std::string name = entry.path().filename().string();
    const bool ours =
        std::ranges::find(known, name) != known.end() || name.starts_with(".tmp-") || name == "lost+found";
    if (!ours) {
      throw Error(ExitCode::no_repository,
                  shown(path) + " is not a repository and holds other things, such as " + printable(name))
          .with_hint("name an empty or new folder with -r");
    }
  }
}

void refuse_what_remains(const base::Path& path) {
  if (is_there(path / "format.json")) return;
  const std::string remains = what_remains(path);
  if (remains.empty()) return;
  throw Error(ExitCode::damaged,
              "format.json is missing from the repository " + shown(path) + ", which still holds " + remains)
      .with_hint("bring format.json back from a copy of this repository, or name another folder with -r");
}

void make_shards(const base::Path& path) {
  make_owned_directory(path / "objects");
  for_each_shard(path, [](const base::Path& shard) { make_owned_directory_unsynced(shard); });
  // Also when none was made now: a run that was killed may have left their names unsynced.
  base::sync_directory(path / "objects");
}

void make_layout(const base::Path& path) {
  make_owned_directory(path / "snapshots");
  make_shards(path);
  try {
    // Never replaced: another run may hold it already, and a lock on a file without a name keeps nobody out.
    publish_owned(path / "lock", "", base::Overwrite::no);
  } catch (const Error& error) {
    if (error.code() != ExitCode::refused) throw;
  }
}

}  // namespace tmb::repository
