// SPDX-License-Identifier: MIT
// The only place that removes anything from a repository. Manifests go first, durably; an object goes only in
// a later run, when it has stood in the list of unused ones for a while and is still in no manifest. Whatever
// ends a run, at worst objects are left that nothing names.
//   tombstones.json   unused objects: {"objects": {id: time since when}}, with a checksum
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hh"
#include "repository/repository.hh"

namespace tmb::repository {

// Unused objects and when each was first seen to be so.
using Tombstones = std::map<std::string, base::Time>;

class Removal {
 public:
  enum class Access { look, remove };
  // To remove, writers and readers are kept out while it lives. Throws locked at once when there is a writer,
  // after two seconds when there is a reader: listings take moments, restores do not. To look only, it is a
  // reader itself.
  Removal(const Repository& repository, Access access);

  // Each object's file with its length. Throws local_io when any folder cannot be listed: an error is never
  // "there is nothing".
  std::map<std::string, std::uint64_t> list_objects() const;

  // Durable when it returns. Tag files go with their snapshots. Throws local_io; those before it are gone.
  void remove_snapshots(const std::vector<std::string>& ids) const;
  // Only once the manifests that named them are durably gone.
  void remove_objects(const std::vector<std::string>& ids) const;

  // Empty when there is no list or when it is damaged: then every object begins to wait anew.
  Tombstones read_tombstones() const;
  // Writes nothing when they are what is there.
  void write_tombstones(const Tombstones& tombstones) const;

 private:
  const Repository& repository_;
  std::optional<base::FileLock> writer_;
  base::FileLock readers_;
};

}  // namespace tmb::repository
