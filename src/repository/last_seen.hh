// SPDX-License-Identifier: MIT
// What this machine remembers of a repository, outside of it: which one stands at a path and how far it had
// come. So a folder whose disk is not mounted, a swapped repository and an older copy of one are noticed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/file.hh"
#include "repository/repository.hh"
#include "repository/tags.hh"

namespace tmb::repository {

struct LastSeen {
  std::string repository_id;
  std::uint64_t sequence = 0;  // of the newest snapshot, 0 when there was none
  std::string snapshot;
  // Filled in by remember():
  bool encrypted = false;
  std::uint64_t generation = 0;          // of format.json
  std::vector<std::string> snapshots{};  // all that were there
  TagChanges tags{};                     // of the snapshots with a tag of their own
};

// nullopt when nothing was remembered, or we may not look into the state folder. Throws local_io; damaged.
std::optional<LastSeen> recall(const base::Path& state_dir, const base::Path& repository_path);
// Does nothing when the state folder does not exist. Throws local_io.
void remember(const base::Path& state_dir, const Repository& repository, const LastSeen& seen);
// Where this repository is remembered already, what has changed in it since. Throws local_io.
void remember_changes(const base::Path& state_dir, const Repository& repository);

// Throws damaged when this machine remembers another repository here, a later state of it, a later tag of a
// snapshot, or snapshots that are gone without having been removed by one of our programs.
void compare_with_memory(const Repository& repository, const base::Path& state_dir);

// To be called before snapshots are removed: who remembers them shall not think that they were lost.
void record_removed(const Repository& repository, const std::vector<std::string>& ids);

// Opens the repository for a backup. An empty folder becomes a new repository, unless one is remembered
// there; a missing one only with `init`. `accept` skips the comparison with what is remembered. Throws
// no_repository; damaged when another or an older repository stands there.
struct OpenOptions {
  bool init = false;
  bool make_in_empty = true;  // without `init` too, where a folder is there and nothing in it
  bool accept = false;
  AskSecret ask;                  // for the key of an encrypted one
  std::optional<NewKey> new_key;  // a new repository is encrypted with it
};
struct Opened {
  Repository repository;
  bool created = false;
};
Opened open_for_backup(const base::Path& path, const base::Path& state_dir, const OpenOptions& options);

}  // namespace tmb::repository
