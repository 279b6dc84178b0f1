// SPDX-License-Identifier: MIT
#include "repository/last_seen.hh"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "base/error.hh"
#include "crypto/derive.hh"
#include "crypto/sha256.hh"
#include "repository/owned_file.hh"
#include "repository/sealed_json.hh"

namespace tmb::repository {

using base::Error;
using base::ExitCode;
using base::printable;

namespace {

constexpr std::uint64_t max_bytes = std::uint64_t{16} << 20U;
constexpr std::uint64_t max_removed_bytes = std::uint64_t{16} << 20U;
constexpr std::size_t most_removed = 4096;  // remembered; the oldest are forgotten first

std::string full_path(const base::Path& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

base::Path memory_of(const base::Path& state_dir, const base::Path& repository_path) {
  return state_dir /
         ("last-seen-" + crypto::hex(crypto::sha256(full_path(repository_path))).substr(0, 16) + ".json");
}

bool is_folder(const base::Path& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

std::uint64_t newest_sequence(const Repository& repository) {
  try {
    const std::optional<Manifest> latest = repository.read_latest();
    return latest ? latest->sequence : 0;
  } catch (const Error& error) {
    if (error.code() != ExitCode::damaged) throw;
    return UINT64_MAX;  // a damaged manifest is reported where it is read, not as an older copy
  }
}

// Who cannot write sealed objects cannot say that snapshots were removed on purpose either.
std::string mac_of(const crypto::Key& key, const std::set<std::string>& ids) {
  crypto::Hmac hmac(key);
  for (const std::string& id : ids) hmac.update(id + "\n");
  return crypto::hex(hmac.finish());
}

constexpr const char* removed_purpose = "removed snapshots";

bool is_genuine(const Repository& repository, const std::set<std::string>& ids, const std::string& mac) {
  const auto key = repository.local_key(removed_purpose);
  if (!key || (mac.empty() && repository.keys().plain_too)) return true;
  if (crypto::equal_secrets(mac, mac_of(*key, ids))) return true;
  const std::vector<crypto::Key> earlier = repository.earlier_local_keys(removed_purpose);
  return repository.keys().rekeying && !earlier.empty() &&
         crypto::equal_secrets(mac, mac_of(earlier.front(), ids));
}

base::Path removed_path(const Repository& repository) { return repository.path() / "removed.json"; }

// Throws damaged.
std::set<std::string> read_removed(const Repository& repository) {
  const auto bytes = base::read_file_if_there(removed_path(repository), max_removed_bytes);
  if (!bytes) return {};
  const std::string what = printable(removed_path(repository).string());
  const Json json = open_sealed_json(*bytes, what);
  return reading_json(what, [&] {
    std::set<std::string> ids;
    for (const Json& id : json.at("snapshots")) ids.insert(id.get<std::string>());
    if (!is_genuine(repository, ids, json.value("mac", "")))
      throw Error(ExitCode::damaged, what + " was changed by somebody who does not have the key");
    return ids;
  });
}

constexpr const char* accept_hint = "mount the right disk, or accept this one with --accept-repository";

void compare(const Repository& repository, const LastSeen& seen) {
  const std::string where = printable(repository.path().string());
  const auto refuse = [&](const std::string& why) {
    return Error(ExitCode::damaged, "the repository at " + where + " " + why).with_hint(accept_hint);
  };
  if (repository.id() != seen.repository_id)
    throw refuse("is another one than the one that this machine knows");
  if (seen.encrypted && !repository.encrypted()) throw refuse("is not encrypted any more");
  if (repository.format().generation < seen.generation)
    throw refuse("is an older copy: its key was changed since");

  const std::vector<std::string> listed = repository.snapshot_ids();
  const std::set<std::string> there(listed.begin(), listed.end());
  std::vector<std::string> gone;
  std::ranges::copy_if(seen.snapshots, std::back_inserter(gone),
                       [&](const std::string& id) { return !there.contains(id); });
  const TagChanges tags = seen.tags.empty() ? TagChanges{} : tag_changes(repository, seen.tags);
  for (const auto& [id, changed] : seen.tags) {
    const auto tag = tags.find(id);
    if (there.contains(id) && (tag == tags.end() || tag->second < changed))
      throw refuse("lacks what was said of snapshot " + printable(id) + " (teslamate-snapshots tag)");
  }
  const bool older = newest_sequence(repository) < seen.sequence;
  if (gone.empty() && !older) return;
  const std::set<std::string> removed = read_removed(repository);
  if (older && !removed.contains(seen.snapshot))
    throw refuse("is an older copy: snapshot " + printable(seen.snapshot) + ", which was there, is gone");
  std::erase_if(gone, [&](const std::string& id) { return removed.contains(id); });
  if (gone.empty()) return;
  throw refuse("lacks " + std::to_string(gone.size()) + (gone.size() == 1 ? " snapshot" : " snapshots") +
               " that nobody removed with these programs, such as " + printable(gone.front()));
}

}  // namespace

std::optional<LastSeen> recall(const base::Path& state_dir, const base::Path& repository_path) {
  const base::Path file = memory_of(state_dir, repository_path);
  // Who may not look into the state folder remembers nothing. Any other error is one: taken for "nothing
  // remembered", it would let a swapped repository pass.
  struct stat status {};
  if (::lstat(file.c_str(), &status) != 0 && errno == EACCES) return std::nullopt;
  if (::access(file.c_str(), R_OK) != 0 && errno == EACCES) return std::nullopt;
  const std::optional<std::string> bytes = base::read_file_if_there(file, max_bytes);
  if (!bytes) return std::nullopt;
  const std::string what = printable(file.string());
  const Json json = open_sealed_json(*bytes, what);
  return reading_json(what, [&] {
    LastSeen seen{json.at("repository"), json.at("sequence"), json.at("snapshot")};
    seen.encrypted = json.value("encrypted", false);
    seen.generation = json.value("generation", std::uint64_t{0});
    seen.snapshots = json.value("snapshots", std::vector<std::string>());
    seen.tags = json.value("tags", TagChanges());
    return seen;
  });
}

namespace {

TagChanges known_tags(const base::Path& state_dir, const base::Path& repository_path) {
  try {
    const auto seen = recall(state_dir, repository_path);
    return seen ? seen->tags : TagChanges{};
  } catch (const Error& error) {
    if (error.code() != ExitCode::damaged) throw;
    return {};  // a damaged memory is replaced
  }
}

}  // namespace

void remember(const base::Path& state_dir, const Repository& repository, const LastSeen& seen) {
  if (!is_folder(state_dir)) return;
  const TagChanges known = known_tags(state_dir, repository.path());
  const Json json{{"path", printable(full_path(repository.path()))},
                  {"repository", seen.repository_id},
                  {"sequence", seen.sequence},
                  {"snapshot", seen.snapshot},
                  {"encrypted", repository.encrypted()},
                  {"generation", repository.format().generation},
                  {"snapshots", repository.snapshot_ids()},
                  {"tags", tag_changes(repository, known)}};
  publish_owned(memory_of(state_dir, repository.path()), seal_json(json), base::Overwrite::yes);
}

void remember_changes(const base::Path& state_dir, const Repository& repository) {
  const auto seen = recall(state_dir, repository.path());
  if (seen && seen->repository_id == repository.id()) remember(state_dir, repository, *seen);
}

void compare_with_memory(const Repository& repository, const base::Path& state_dir) {
  if (const auto seen = recall(state_dir, repository.path())) compare(repository, *seen);
}

void record_removed(const Repository& repository, const std::vector<std::string>& ids) {
  std::set<std::string> removed;
  try {
    removed = read_removed(repository);
  } catch (const Error& error) {
    if (error.code() != ExitCode::damaged) throw;  // begun anew
  }
  removed.insert(ids.begin(), ids.end());
  while (removed.size() > most_removed) removed.erase(removed.begin());
  Json json{{"snapshots", removed}};
  if (const auto key = repository.local_key(removed_purpose)) json["mac"] = mac_of(*key, removed);
  publish_owned(removed_path(repository), seal_json(json), base::Overwrite::yes);
}

Opened open_for_backup(const base::Path& path, const base::Path& state_dir, const OpenOptions& options) {
  const std::optional<LastSeen> seen = options.accept ? std::nullopt : recall(state_dir, path);
  std::optional<Repository> repository;
  try {
    repository = Repository::open(path, options.ask);
  } catch (Error& error) {
    if (error.code() != ExitCode::no_repository) throw;
    if (seen && !options.init) {
      throw error.with_hint(
          "one was here before: is its disk mounted? Only if it is gone for good, with all its snapshots, "
          "make "
          "a new one with --init");
    }
    if (!is_folder(path) && !options.init)
      throw error.with_hint("--init makes the folder and a repository in it");
    if (!options.make_in_empty && !options.init)
      throw error.with_hint("the settings say initialize = false: --init makes one all the same");
    return {Repository::create(path, options.new_key), true};
  }
  if (seen) compare(*repository, *seen);
  return {std::move(*repository), false};
}

}  // namespace tmb::repository
