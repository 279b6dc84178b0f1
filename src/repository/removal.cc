// SPDX-License-Identifier: MIT
#include "repository/removal.hh"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <thread>

#include "base/error.hh"
#include "repository/last_seen.hh"
#include "repository/layout.hh"
#include "repository/owned_file.hh"
#include "repository/sealed_json.hh"
#include "repository/tags.hh"

namespace tmb::repository {

using base::Error;
using base::ExitCode;
using base::printable;

namespace {

constexpr std::uint64_t max_tombstones_bytes = std::uint64_t{256} << 20U;
constexpr std::chrono::seconds patience_with_readers{2};

base::FileLock keep_readers_out(const Repository& repository) {
  const auto deadline = std::chrono::steady_clock::now() + patience_with_readers;
  for (;;) {
    auto lock =
        base::FileLock::try_acquire(repository.path() / "lock", reader_byte, base::LockMode::exclusive);
    if (lock) return std::move(*lock);
    if (std::chrono::steady_clock::now() > deadline) {
      throw Error(ExitCode::locked,
                  "the repository " + printable(repository.path().string()) + " is being read by another run")
          .with_hint("run it again when that restore, verification or drill has ended");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

// Calls visit(path) for every entry; an error in the middle of it is an error.
template <class Visit>
void for_each_entry(const base::Path& folder, Visit&& visit) {
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    visit(it->path());
  if (error) throw base::system_error(error.value(), "cannot list " + printable(folder.string()));
}

// True when there was one.
bool unlink_file(const base::Path& path) {
  if (::unlink(path.c_str()) == 0) return true;
  if (errno == ENOENT) return false;
  throw base::system_error(errno, "cannot remove " + printable(path.string()));
}

base::Path tombstones_path(const Repository& repository) { return repository.path() / "tombstones.json"; }

std::string to_file(const Tombstones& tombstones) {
  Json objects = Json::object();
  for (const auto& [id, since] : tombstones) objects[id] = base::iso_utc(since);
  return seal_json({{"objects", std::move(objects)}});
}

// False when it could not be written.
bool note_removed(const Repository& repository, const std::vector<std::string>& ids) {
  try {
    record_removed(repository, ids);
    return true;
  } catch (const Error& error) {
    if (error.code() != ExitCode::local_io) throw;
    return false;
  }
}

}  // namespace

Removal::Removal(const Repository& repository, Access access)
    : repository_(repository),
      writer_(access == Access::remove ? std::optional(repository.lock_for_writing()) : std::nullopt),
      readers_(access == Access::remove ? keep_readers_out(repository) : repository.lock_for_reading()) {
  if (access == Access::look) return;
  // Left by a run that died while it wrote a tag.
  const base::Path tags = repository.path() / "tags";
  struct stat status {};
  if (::lstat(tags.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) base::remove_temporary_files(tags);
}

std::map<std::string, std::uint64_t> Removal::list_objects() const {
  std::map<std::string, std::uint64_t> out;
  const auto add = [&](const base::Path& path) {
    struct stat status {};
    std::string name = path.filename().string();
    if (!is_object_id(name)) return;
    if (::lstat(path.c_str(), &status) != 0)
      throw base::system_error(errno, "cannot look at " + printable(path.string()));
    if (S_ISREG(status.st_mode)) out[std::move(name)] = static_cast<std::uint64_t>(status.st_size);
  };
  for_each_shard(repository_.path(), [&](const base::Path& shard) {
    // A copy may lack the folders that were empty. What is missing here is never removed, but missed.
    if (::access(shard.c_str(), F_OK) != 0 && errno == ENOENT) return;
    for_each_entry(shard, add);
  });
  return out;
}

void Removal::remove_snapshots(const std::vector<std::string>& ids) const {
  if (ids.empty()) return;
  // On a full disk there is room for the note only once the manifests are gone; ending in between, other
  // machines would ask whether this is an older copy, which is better than a disk that can never be freed.
  const bool noted = note_removed(repository_, ids);
  const base::Path folder = repository_.path() / "snapshots";
  for (const std::string& id : ids) unlink_file(folder / (id + ".json"));
  base::sync_directory(folder);
  if (!noted) record_removed(repository_, ids);
  for (const std::string& id : ids) unlink_file(tag_path(repository_, id));
}

void Removal::remove_objects(const std::vector<std::string>& ids) const {
  std::set<base::Path> folders;
  for (const std::string& id : ids) {
    const base::Path path = repository_.objects().path_of(id);
    if (unlink_file(path)) folders.insert(path.parent_path());
  }
  for (const base::Path& folder : folders) base::sync_directory(folder);
}

Tombstones Removal::read_tombstones() const {
  const auto bytes = base::read_file_if_there(tombstones_path(repository_), max_tombstones_bytes);
  Tombstones out;
  if (!bytes) return out;
  const std::string what = printable(tombstones_path(repository_).string());
  try {
    const Json json = open_sealed_json(*bytes, what);
    reading_json(what, [&] {
      for (const auto& [id, since] : json.at("objects").items()) {
        check_object_id(id);
        out[id] = base::parse_iso_utc(since.get<std::string>());
      }
    });
  } catch (const Error& error) {
    if (error.code() != ExitCode::damaged) throw;
    out.clear();
  }
  return out;
}

void Removal::write_tombstones(const Tombstones& tombstones) const {
  const base::Path path = tombstones_path(repository_);
  const std::string bytes = to_file(tombstones);
  const auto there = base::read_file_if_there(path, max_tombstones_bytes);
  if (there == bytes || (!there && tombstones.empty())) return;
  publish_owned(path, bytes, base::Overwrite::yes);
}

}  // namespace tmb::repository
