// SPDX-License-Identifier: MIT
#include "repository/last_seen.hh"

#include <sys/stat.h>

#include "base/error.hh"
#include "crypto/sha256.hh"
#include "repository/sealed_json.hh"

namespace tmb::repository {

using base::Error;
using base::ExitCode;
using base::printable;

namespace {

constexpr std::uint64_t max_bytes = 65536;

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

void compare(const Repository& repository, const LastSeen& seen, const base::Path& path) {
  const std::string where = printable(path.string());
  if (repository.id() != seen.repository_id) {
    throw Error(ExitCode::damaged,
                "another repository stands at " + where + " than the one that this machine knows")
        .with_hint("mount the right disk, or accept this one with --accept-repository");
  }
  if (newest_sequence(repository) < seen.sequence) {
    throw Error(ExitCode::damaged, "the repository at " + where + " is an older copy: snapshot " +
                                       seen.snapshot + ", which was there, is gone")
        .with_hint("mount the right disk, or accept this copy with --accept-repository");
  }
}

}  // namespace

std::optional<LastSeen> recall(const base::Path& state_dir, const base::Path& repository_path) {
  const base::Path file = memory_of(state_dir, repository_path);
  std::optional<std::string> bytes;
  try {
    bytes = base::read_file_if_there(file, max_bytes);
  } catch (const Error&) {
    return std::nullopt;
  }
  if (!bytes) return std::nullopt;
  const std::string what = printable(file.string());
  const Json json = open_sealed_json(*bytes, what);
  return reading_json(what, [&] {
    return LastSeen{json.at("repository"), json.at("sequence"), json.at("snapshot")};
  });
}

void remember(const base::Path& state_dir, const Repository& repository, const LastSeen& seen) {
  if (!is_folder(state_dir)) return;
  const Json json{{"path", printable(full_path(repository.path()))},
                  {"repository", seen.repository_id},
                  {"sequence", seen.sequence},
                  {"snapshot", seen.snapshot}};
  base::publish_file(memory_of(state_dir, repository.path()), seal_json(json), base::Overwrite::yes);
}

Opened open_for_backup(const base::Path& path, const base::Path& state_dir, const OpenOptions& options) {
  const std::optional<LastSeen> seen = options.accept ? std::nullopt : recall(state_dir, path);
  std::optional<Repository> repository;
  try {
    repository = Repository::open(path);
  } catch (Error& error) {
    if (error.code() != ExitCode::no_repository) throw;
    if (seen && !options.init) {
      throw error.with_hint(
          "one was here before: is its disk mounted? If it is gone for good, --init makes a new one");
    }
    if (!is_folder(path) && !options.init)
      throw error.with_hint("--init makes the folder and a repository in it");
    return {Repository::create(path), true};
  }
  if (seen) compare(*repository, *seen, path);
  return {std::move(*repository), false};
}

}  // namespace tmb::repository
