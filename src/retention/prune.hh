// SPDX-License-Identifier: MIT
// Carries a plan out: snapshots that no rule keeps are removed, then objects that have been unused since an
// earlier run. Removes nothing when anything at all could not be read.
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "report/reporter.hh"
#include "repository/repository.hh"
#include "retention/plan.hh"

namespace tmb::retention {

struct PruneOptions {
  Policy policy;
  std::chrono::seconds grace = std::chrono::hours(20);  // that an unused object stays
  bool now = false;  // unused objects go at once; needs no free space at all
  bool dry_run = false;
  base::Path state_dir;  // with the list of what verifications found damaged; empty: there is none
};

struct PruneOutcome {
  std::vector<Verdict> plan;         // of all snapshots, oldest first
  std::vector<std::string> removed;  // ids; of a dry run: that would be
  std::uint64_t objects_removed = 0, bytes_removed = 0;
  std::uint64_t objects_waiting = 0, bytes_waiting = 0;  // unused, their time not yet over
  bool dry_run = false;
};

// Asks a person; returns on yes, throws refused otherwise. Empty: there is nothing to ask. While it waits the
// repository is not locked; what it asked about is planned again afterwards.
using Confirm = std::function<void(const std::string& question)>;

// Throws locked, refused (see make_plan; also when objects are there but no snapshot at all, or when more
// than was agreed to would go), damaged when a manifest or the list of what is damaged is, local_io,
// interrupted.
PruneOutcome prune(const repository::Repository& repository, const PruneOptions& options,
                   const base::Clock& clock, const Confirm& confirm, report::Reporter& reporter,
                   const std::stop_token& stop);

struct ForgetOutcome {
  std::vector<std::string> removed;
  std::string newest;  // that is left; empty: none
  bool dry_run = false;
};

// Removes the snapshots with these ids, whatever the rules say. Throws refused for a pinned one and when no
// complete snapshot would be left. Damaged ones may always go; which are is also what the list in `state_dir`
// says.
ForgetOutcome forget(const repository::Repository& repository, const std::vector<std::string>& ids,
                     const base::Path& state_dir, bool dry_run, const Confirm& confirm);

}  // namespace tmb::retention
