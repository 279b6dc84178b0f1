// SPDX-License-Identifier: MIT
// What a person says about a snapshot after it was taken: tags/<snapshot id>.json, small, replaced whole, and
// sealed like a manifest where the repository is. Manifests are never changed; what stands here goes before
// what they say.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "repository/repository.hh"

namespace tmb::repository {

struct SnapshotTag {
  std::string text;        // empty: none
  bool pinned = false;     // no rule and no forget removes it
  bool scheduled = false;  // retention may let go of it
  // When it was said, in seconds since 1970, and more each time; 0 when only the manifest says so. Machines
  // remember it (last_seen.hh): an older tag put back, or one taken away, would let a rule remove the
  // snapshot.
  std::uint64_t changed = 0;
};

// What is said of this snapshot, by its tag file or else by its manifest. Throws damaged for a file that is
// not as it was written, or was written without the key.
SnapshotTag read_tag(const Repository& repository, const Manifest& manifest);

// Under the reader's lock: not while snapshots are being removed. `tag.changed` is that of the tag before;
// what is written has a later one. Throws not_found without such a snapshot.
void write_tag(const Repository& repository, const std::string& id, SnapshotTag tag, base::Time now);

// The bytes of the tag file written anew with today's key; nullopt when there is none. Throws damaged.
std::optional<std::string> reseal_tag(const Repository& repository, const std::string& id);
base::Path tag_path(const Repository& repository, const std::string& id);

using TagChanges = std::map<std::string, std::uint64_t>;  // SnapshotTag::changed by snapshot
// Of every tag file; of one that is damaged, what was `known` of it.
TagChanges tag_changes(const Repository& repository, const TagChanges& known = {});

}  // namespace tmb::repository
