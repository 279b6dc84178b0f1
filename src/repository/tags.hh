// SPDX-License-Identifier: MIT
// What a person says about a snapshot after it was taken: tags/<snapshot id>.json, small, with a checksum,
// replaced whole. Manifests are never changed; what stands here goes before what they say.
#pragma once

#include <optional>
#include <string>

#include "repository/repository.hh"

namespace tmb::repository {

struct SnapshotTag {
  std::string text;        // empty: none
  bool pinned = false;     // no rule and no forget removes it
  bool scheduled = false;  // retention may let go of it
};

// What is said of this snapshot, by its tag file or else by its manifest. Throws damaged for a file that is
// not as it was written.
SnapshotTag read_tag(const Repository& repository, const Manifest& manifest);

// Under the reader's lock: not while snapshots are being removed. Throws not_found without such a snapshot.
void write_tag(const Repository& repository, const std::string& id, const SnapshotTag& tag);

}  // namespace tmb::repository
