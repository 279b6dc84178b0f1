// SPDX-License-Identifier: MIT
// What this machine remembers of a repository, outside of it: which one stands at a path and how far it had
// come. So a folder whose disk is not mounted, a swapped repository and an older copy of one are noticed.
#pragma once

#include <optional>
#include <string>

#include "base/file.hh"
#include "repository/repository.hh"

namespace tmb::repository {

struct LastSeen {
  std::string repository_id;
  std::uint64_t sequence = 0;  // of the newest snapshot, 0 when there was none
  std::string snapshot;
};

// nullopt when nothing was remembered of `repository_path`, or the state folder cannot be read.
std::optional<LastSeen> recall(const base::Path& state_dir, const base::Path& repository_path);
// Does nothing when the state folder does not exist. Throws local_io.
void remember(const base::Path& state_dir, const Repository& repository, const LastSeen& seen);

// Opens the repository for a backup. An empty folder becomes a new repository, unless one is remembered
// there; a missing one only with `init`. `accept` skips the comparison with what is remembered. Throws
// no_repository; damaged when another or an older repository stands there.
struct OpenOptions {
  bool init = false;
  bool accept = false;
};
struct Opened {
  Repository repository;
  bool created = false;
};
Opened open_for_backup(const base::Path& path, const base::Path& state_dir, const OpenOptions& options);

}  // namespace tmb::repository
