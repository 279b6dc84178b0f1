// SPDX-License-Identifier: MIT
#include "repository/repository.hh"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/error.hh"
#include "crypto/sha256.hh"
#include "repository/sealed_json.hh"

namespace tmb::repository {

using base::Error;
using base::ExitCode;
using base::printable;

namespace {

constexpr std::string_view magic = "teslamate-backup repository";
constexpr int format_version = 1;
constexpr std::uint64_t max_format_bytes = 65536;
constexpr std::uint64_t max_manifest_bytes = std::uint64_t{256} << 20U;
constexpr std::uint64_t reader_byte = 0;
constexpr std::uint64_t writer_byte = 1;

std::string shown(const base::Path& path) { return printable(path.string()); }

void require_folder_or_nothing(const base::Path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return;
    throw base::system_error(errno, "cannot look at " + shown(path));
  }
  if (!S_ISDIR(status.st_mode))
    throw Error(ExitCode::local_io, shown(path) + " is there but is not a folder");
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

void make_layout(const base::Path& path) {
  static constexpr std::string_view digits = "0123456789abcdef";
  base::make_directory(path / "snapshots");
  const base::Path objects = path / "objects";
  base::make_directory(objects);
  for (const char high : digits) {
    for (const char low : digits) {
      const base::Path shard = objects / std::string{high, low};
      if (::mkdir(shard.c_str(), 0700) != 0 && errno != EEXIST) {
        throw base::system_error(errno, "cannot create the folder " + shown(shard));
      }
    }
  }
  base::sync_directory(objects);
  try {
    // Never replaced: another run may hold it already, and a lock on a file without a name keeps nobody out.
    base::publish_file(path / "lock", "", base::Overwrite::no);
  } catch (const Error& error) {
    if (error.code() != ExitCode::refused) throw;
  }
}

}  // namespace

Repository Repository::create(const base::Path& path) {
  require_folder_or_nothing(path);
  base::Path absolute = std::filesystem::absolute(path).lexically_normal();
  if (!absolute.has_filename()) absolute = absolute.parent_path();
  base::make_directory(absolute);
  refuse_foreign_content(absolute);
  make_layout(absolute);
  const std::string id = crypto::random_hex(16);
  base::publish_file(
      absolute / "format.json",
      seal_json({{"magic", magic}, {"version", format_version}, {"id", id}, {"features", Json::array()}}),
      base::Overwrite::no);
  return {absolute, id};
}

Repository Repository::open(const base::Path& path) {
  require_folder_or_nothing(path);
  const auto bytes = base::read_file_if_there(path / "format.json", max_format_bytes);
  if (!bytes) {
    throw Error(ExitCode::no_repository, "there is no repository at " + shown(path))
        .with_hint("teslamate-backup creates one in an empty or new folder; -r names it");
  }
  const std::string what = shown(path / "format.json");
  const Json json = open_sealed_json(*bytes, what);
  std::string id = reading_json(what, [&] {
    if (json.at("magic") != magic) throw Error(ExitCode::damaged, what + " is not that of a repository");
    if (json.at("version") != format_version || !json.at("features").empty()) {
      throw Error(ExitCode::unsupported, "the repository at " + shown(path) + " has version " +
                                             json.at("version").dump() + " and features " +
                                             json.at("features").dump() +
                                             ", this program knows version 1 without any")
          .with_hint("use a newer teslamate-backup");
    }
    return json.at("id").get<std::string>();
  });
  return {path, std::move(id)};
}

base::FileLock Repository::lock_for_writing() const {
  auto lock = base::FileLock::try_acquire(path_ / "lock", writer_byte, base::LockMode::exclusive);
  if (!lock) {
    throw Error(ExitCode::locked, "another run holds the repository " + shown(path_))
        .with_hint("wait for it to end; nothing needs to be unlocked by hand");
  }
  base::remove_temporary_files(path_);
  base::remove_temporary_files(path_ / "snapshots");
  static constexpr std::string_view digits = "0123456789abcdef";
  for (const char high : digits) {
    for (const char low : digits) base::remove_temporary_files(path_ / "objects" / std::string{high, low});
  }
  return std::move(*lock);
}

base::FileLock Repository::lock_for_reading() const {
  auto lock = base::FileLock::try_acquire(path_ / "lock", reader_byte, base::LockMode::shared);
  if (!lock) throw Error(ExitCode::locked, "objects are being removed from the repository " + shown(path_));
  return std::move(*lock);
}

std::vector<std::string> Repository::snapshot_ids() const {
  std::vector<std::string> ids;
  std::error_code error;
  const base::Path folder = path_ / "snapshots";
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const base::Path& file = it->path();
    if (file.extension() == ".json" && is_snapshot_id(file.stem().string()))
      ids.push_back(file.stem().string());
  }
  // A folder that cannot be listed is never an empty one.
  if (error) throw base::system_error(error.value(), "cannot list " + shown(folder));
  std::ranges::sort(ids);
  return ids;
}

Manifest Repository::read_manifest(const std::string& id) const {
  if (!is_snapshot_id(id)) throw Error(ExitCode::not_found, "'" + printable(id) + "' is not a snapshot id");
  const base::Path path = manifest_path(id);
  const auto bytes = base::read_file_if_there(path, max_manifest_bytes);
  if (!bytes) throw Error(ExitCode::not_found, "there is no snapshot " + id + " in " + shown(path_));
  try {
    Manifest manifest = manifest_from_file(*bytes);
    if (manifest.id != id || manifest.repository_id != id_) {
      throw Error(ExitCode::damaged, "the manifest belongs to snapshot " + printable(manifest.id) +
                                         " of repository " + printable(manifest.repository_id));
    }
    return manifest;
  } catch (Error& error) {
    throw error.with_context(shown(path));
  }
}

std::optional<Manifest> Repository::read_latest() const {
  const std::vector<std::string> ids = snapshot_ids();
  if (ids.empty()) return std::nullopt;
  return read_manifest(ids.back());
}

std::string Repository::resolve(const std::string& name) const {
  const std::vector<std::string> ids = snapshot_ids();
  if (ids.empty()) {
    throw Error(ExitCode::not_found, "there is no snapshot in " + shown(path_))
        .with_hint("teslamate-backup makes one");
  }
  if (name == "latest") return ids.back();
  std::vector<std::string> matches;
  std::ranges::copy_if(ids, std::back_inserter(matches), [&](const std::string& id) {
    return !name.empty() && (id.starts_with(name) || id.ends_with("-" + name));
  });
  if (matches.size() == 1) return matches.front();
  const std::string many =
      matches.empty() ? "no snapshot is called '" : "more than one snapshot begins with '";
  throw Error(ExitCode::not_found, many + printable(name) + "'; the newest is " + ids.back())
      .with_hint("teslamate-snapshots list");
}

void Repository::publish(const Manifest& manifest) const {
  objects_.sync_directories();
  base::publish_file(manifest_path(manifest.id), to_file(manifest), base::Overwrite::no, 0400);
}

std::uint64_t Repository::manifest_bytes(const std::string& id) const {
  struct stat status {};
  return ::stat(manifest_path(id).c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

}  // namespace tmb::repository
