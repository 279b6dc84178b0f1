// SPDX-License-Identifier: MIT
#include "repository/repository.hh"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <exception>
#include <thread>

#include "base/error.hh"
#include "crypto/sha256.hh"
#include "repository/layout.hh"
#include "repository/owned_file.hh"

namespace tmb::repository {

using base::Error;
using base::ExitCode;
using base::printable;

namespace {

constexpr std::uint64_t max_format_bytes = 65536;
constexpr std::uint64_t max_manifest_bytes = std::uint64_t{257} << 20U;
constexpr std::uint64_t max_key_file_bytes = 65536;
constexpr std::size_t max_key_files = 1000;

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

}  // namespace

std::vector<KeyFile> read_key_files(const base::Path& path) {
  std::vector<KeyFile> files;
  bool any = false;
  std::exception_ptr failure;
  std::error_code error;
  const base::Path folder = path / "keys";
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    if (!name.ends_with(".json") || name.starts_with(".tmp-")) continue;
    if (files.size() >= max_key_files)
      throw Error(ExitCode::damaged, shown(folder) + " holds more files than there can be keys");
    KeyFile file{std::move(name), ""};
    try {
      file.bytes = base::read_file(it->path(), max_key_file_bytes);
      any = true;
    } catch (const Error&) {  // without bytes: another one may open the repository
      if (!failure) failure = std::current_exception();
    }
    files.push_back(std::move(file));
  }
  if (error && error != std::errc::no_such_file_or_directory)
    throw base::system_error(error.value(), "cannot list " + shown(folder));
  if (failure && !any) std::rethrow_exception(failure);
  std::ranges::sort(files, {}, &KeyFile::name);
  return files;
}

namespace {

KeyRing make_first_key(const base::Path& path, Format& format, const NewKey& key) {
  make_owned_directory(path / "keys");
  // The slot of a first run that was killed before it wrote format.json opens nothing.
  for (const KeyFile& file : read_key_files(path)) std::filesystem::remove(path / "keys" / file.name);
  const auto keys = std::make_shared<const RepositoryKeys>(crypto::Key::random(), format.id);
  const KeySlot slot = make_slot(*keys, key.secret, key.label, key.now, key.cost);
  publish_owned(path / "keys" / slot.file_name(), to_file(slot), base::Overwrite::no, 0400);
  format.encrypted = true;
  format.key_id = keys->key_id;
  format.generation = 1;
  KeyRing ring;
  ring.current = keys;
  return ring;
}

base::FileLock hold_as_writer(const base::Path& path) {
  auto lock = base::FileLock::try_acquire(path / "lock", writer_byte, base::LockMode::exclusive);
  if (lock) return std::move(*lock);
  throw Error(ExitCode::locked, "another run holds the repository " + shown(path))
      .with_hint("wait for it to end; nothing needs to be unlocked by hand");
}

void refuse_finished(const base::Path& path) {
  if (!base::read_file_if_there(path / "format.json", max_format_bytes)) return;
  throw Error(ExitCode::locked, "another run has just made the repository " + shown(path))
      .with_hint("run it again");
}

[[noreturn]] void refuse_plain_for_encrypted(const base::Path& path) {
  throw Error(ExitCode::damaged,
              "an encrypted repository was begun in " + shown(path) + ": it has a key, but no format.json")
      .with_hint("teslamate-keys init begins it anew; if it was in use, bring back format.json from a copy");
}

// What was opened before the lock was held may have become another repository meanwhile.
void require_unchanged(const base::Path& path, const Format& opened) {
  const Format now = Repository::read_format(path);
  if (now.id == opened.id && now.encrypted == opened.encrypted && now.key_id == opened.key_id &&
      now.generation == opened.generation)
    return;
  throw Error(ExitCode::locked,
              "the key of the repository " + shown(path) + " was changed by another run while this one began")
      .with_hint("run it again");
}

}  // namespace

Repository Repository::create(const base::Path& path, const std::optional<NewKey>& key) {
  require_folder_or_nothing(path);
  base::Path absolute = std::filesystem::absolute(path).lexically_normal();
  if (!absolute.has_filename()) absolute = absolute.parent_path();
  make_owned_directory(absolute);
  refuse_finished(absolute);
  refuse_what_remains(absolute);
  refuse_foreign_content(absolute);
  make_layout(absolute);
  const base::FileLock lock = hold_as_writer(absolute);
  // Once more, now that no other first run can be at work.
  refuse_finished(absolute);
  refuse_what_remains(absolute);
  if (!key && !repository::read_key_files(absolute).empty()) refuse_plain_for_encrypted(absolute);
  Format format;
  format.id = crypto::random_hex(16);
  auto ring = std::make_shared<const KeyRing>(key ? make_first_key(absolute, format, *key) : KeyRing{});
  publish_owned(absolute / "format.json", to_file(format, ring->current.get()), base::Overwrite::no);
  return {absolute, format, ring};
}

Format Repository::read_format(const base::Path& path) {
  require_folder_or_nothing(path);
  const auto bytes = base::read_file_if_there(path / "format.json", max_format_bytes);
  if (!bytes) {
    refuse_what_remains(path);
    throw Error(ExitCode::no_repository, "there is no repository at " + shown(path))
        .with_hint("teslamate-backup creates one in an empty or new folder; -r names it");
  }
  return format_from_file(*bytes, shown(path / "format.json"));
}

Repository Repository::open(const base::Path& path, const AskSecret& ask) {
  Format format = read_format(path);
  if (!format.encrypted) return {path, std::move(format), std::make_shared<const KeyRing>()};
  Unlocked unlocked = unlock(format, repository::read_key_files(path), ask, shown(path));
  return {path, std::move(format), std::make_shared<const KeyRing>(std::move(unlocked.ring))};
}

std::vector<KeyFile> Repository::read_key_files() const { return repository::read_key_files(path_); }

std::optional<crypto::Key> Repository::local_key(const std::string& purpose) const {
  return ring_->current ? std::optional(ring_->current->local(purpose)) : std::nullopt;
}

std::vector<crypto::Key> Repository::earlier_local_keys(const std::string& purpose) const {
  std::vector<crypto::Key> out;
  for (const auto& keys : ring_->earlier) out.push_back(keys->local(purpose));
  return out;
}

base::FileLock Repository::lock_for_writing() const {
  base::FileLock lock = hold_as_writer(path_);
  require_unchanged(path_, format_);
  make_shards(path_);
  base::remove_temporary_files(path_);
  base::remove_temporary_files(path_ / "snapshots");
  base::remove_temporary_files(path_ / "objects");
  std::error_code none;  // a plain repository may have the folder, of an encryption that was cut off
  if (std::filesystem::is_directory(path_ / "keys", none)) base::remove_temporary_files(path_ / "keys");
  for_each_shard(path_, [](const base::Path& shard) { base::remove_temporary_files(shard); });
  return lock;
}

base::FileLock Repository::lock_for_reading() const {
  // The removal after each backup is over in a moment.
  constexpr auto patience = std::chrono::seconds(5);
  constexpr auto interval = std::chrono::milliseconds(50);
  const auto until = std::chrono::steady_clock::now() + patience;
  const auto take = [&] {
    return base::FileLock::try_acquire(path_ / "lock", reader_byte, base::LockMode::shared);
  };
  auto lock = take();
  while (!lock && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(interval);
    lock = take();
  }
  if (!lock) throw Error(ExitCode::locked, "objects are being removed from the repository " + shown(path_));
  require_unchanged(path_, format_);
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

Manifest open_manifest_file(const std::string& bytes, const std::string& id, const std::string& repository_id,
                            const std::shared_ptr<const KeyRing>& ring) {
  std::string text;
  const std::string* json = &bytes;
  if (is_object_file(bytes)) {
    Workspace workspace;
    ObjectStore({}, ring).open_named_file(ObjectType::manifest, id, bytes, workspace, text);
    json = &text;
  } else if (ring && ring->current && !ring->plain_too) {
    throw Error(ExitCode::damaged, "the manifest is not sealed, as everything in this repository is");
  }
  Manifest manifest = manifest_from_file(*json);
  if (manifest.id != id || manifest.repository_id != repository_id) {
    throw Error(ExitCode::damaged, "the manifest belongs to snapshot " + printable(manifest.id) +
                                       " of repository " + printable(manifest.repository_id));
  }
  return manifest;
}

std::string Repository::read_manifest_file(const std::string& id) const {
  if (!is_snapshot_id(id)) throw Error(ExitCode::not_found, "'" + printable(id) + "' is not a snapshot id");
  auto bytes = base::read_file_if_there(manifest_path(id), max_manifest_bytes);
  if (!bytes) throw Error(ExitCode::not_found, "there is no snapshot " + id + " in " + shown(path_));
  return std::move(*bytes);
}

Manifest Repository::open_manifest(const std::string& bytes, const std::string& id) const {
  try {
    return open_manifest_file(bytes, id, format_.id, ring_);
  } catch (Error& error) {
    throw error.with_context(shown(manifest_path(id)));
  }
}

Manifest Repository::read_manifest(const std::string& id) const {
  return open_manifest(read_manifest_file(id), id);
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

std::string Repository::make_manifest_file(const Manifest& manifest) const {
  std::string json = to_file(manifest);
  if (!encrypted()) return json;
  Workspace workspace;
  std::string file;
  objects_.make_named_file(ObjectType::manifest, manifest.id, json, workspace, file);
  return file;
}

void Repository::publish(const Manifest& manifest) const {
  publish_file(manifest.id, make_manifest_file(manifest));
}

void Repository::publish_file(const std::string& id, const std::string& bytes) const {
  objects_.sync_directories();
  publish_owned(manifest_path(id), bytes, base::Overwrite::no, 0400);
}

std::uint64_t Repository::manifest_bytes(const std::string& id) const {
  struct stat status {};
  return ::stat(manifest_path(id).c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

}  // namespace tmb::repository
