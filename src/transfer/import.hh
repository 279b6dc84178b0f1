// SPDX-License-Identifier: MIT
// A .tmb comes into a repository. What is there already is shared: from the same repository the files are
// copied as they are; from another one, or under another key, every object is stored anew.
#pragma once

#include <cstdint>
#include <set>
#include <stop_token>
#include <string>

#include "archive/tmb.hh"
#include "report/reporter.hh"
#include "repository/repository.hh"

namespace tmb::transfer {

struct ImportOutcome {
  std::string snapshot;
  bool there_already = false;        // the same snapshot; what was missing of it has been written again
  std::uint64_t objects = 0;         // of the snapshot
  std::uint64_t new_objects = 0;     // of these, not in the repository before, or damaged there
  std::uint64_t new_bytes = 0;       // in the repository
  std::set<std::string> object_ids;  // of the snapshot, in the repository: read there or written anew
};

// Reads and verifies everything before the snapshot is listed. Throws locked; damaged; local_io; refused when
// another snapshot has the same id, or when carried files would come into a repository that is not encrypted.
ImportOutcome import_tmb(const archive::TmbSource& source, const repository::Repository& repository,
                         unsigned jobs, report::Reporter& reporter, const std::stop_token& stop);

}  // namespace tmb::transfer
