// SPDX-License-Identifier: MIT
// What a verification found damaged, remembered in the state folder until those very objects were read whole
// and found good, or are gone with their snapshots: a later verification that reads less must not make it
// forgotten. Retention counts no snapshot on it as complete, and no backup takes an object on it over.
#pragma once

#include <set>
#include <string>

#include "base/file.hh"
#include "repository/repository.hh"

namespace tmb::repository {

struct KnownDamage {
  std::set<std::string> objects;    // ids
  std::set<std::string> snapshots;  // ids of those that have other rows than their manifest says

  bool empty() const { return objects.empty() && snapshots.empty(); }
  // Whether it says so of a snapshot or of anything that it names.
  bool touches(const Manifest& manifest) const;
};

// Nothing where nothing was noted, and of another repository that stood there. Throws damaged or local_io
// when it was but cannot be read.
KnownDamage read_known_damage(const base::Path& state_dir, const base::Path& repository_path,
                              const std::string& repository_id);
KnownDamage read_known_damage(const base::Path& state_dir, const Repository& repository);

// Takes `mended` out and puts `found` in. Nothing without a state folder, and nothing is written where
// nothing changes. False when it is noted nowhere. Throws as read_known_damage does, and local_io.
bool note_damage(const base::Path& state_dir, const Repository& repository, const KnownDamage& found,
                 const KnownDamage& mended);
// `found` is all there is to know: also over a list that cannot be read.
bool replace_known_damage(const base::Path& state_dir, const Repository& repository,
                          const KnownDamage& found);

// After snapshots were removed: what none of the others names is forgotten. Throws what reading throws.
void forget_unnamed_damage(const base::Path& state_dir, const Repository& repository);

}  // namespace tmb::repository
