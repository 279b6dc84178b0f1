// SPDX-License-Identifier: MIT
// How much of the repository each snapshot takes. Reads no data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hh"
#include "repository/repository.hh"
#include "repository/tags.hh"

namespace tmb::verify {

struct SnapshotUsage {
  std::string id;
  std::optional<repository::Manifest> manifest;  // nullopt: damaged
  std::string damage;                            // why there is no manifest
  repository::SnapshotTag tag;                   // as it is now, not as it was taken
  std::uint64_t stored_bytes = 0;                // of all its objects
  std::uint64_t new_bytes = 0;                   // of those that no older snapshot has
  std::uint64_t own_bytes = 0;                   // of those that no other snapshot has
};

// All snapshots, oldest first. A damaged manifest is in the list, its bytes unknown.
std::vector<SnapshotUsage> measure_usage(const repository::Repository& repository);

}  // namespace tmb::verify
