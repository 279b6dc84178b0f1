// SPDX-License-Identifier: MIT
// The repository folder: created, opened, locked; snapshots listed, read and published.
//   format.json             magic, version, repository id
//   lock                    never unlinked; byte 0 shared by readers, byte 1 held by the one writer
//   objects/00..ff/<id>     see object_store.hh
//   snapshots/<id>.json     see manifest.hh; the commit point
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/file.hh"
#include "base/lock.hh"
#include "repository/manifest.hh"
#include "repository/object_store.hh"

namespace tmb::repository {

class Repository {
 public:
  // Makes the folders and format.json, last; a crash before leaves something that create() completes. The
  // folder may exist if it is empty or half made. Throws local_io; refused when something else is in it.
  static Repository create(const base::Path& path);

  // Throws no_repository when there is none at `path`, unsupported for a newer format, damaged when
  // format.json has changed.
  static Repository open(const base::Path& path);

  const base::Path& path() const { return path_; }
  const std::string& id() const { return id_; }
  const ObjectStore& objects() const { return objects_; }

  // The one writer. Throws locked at once when there is another; local_io where the folder cannot be written.
  // Leftover temporary files of crashed runs are removed.
  base::FileLock lock_for_writing() const;
  // Readers exclude only the removal of objects. Throws locked.
  base::FileLock lock_for_reading() const;

  // Ids, oldest first. Files whose names are not snapshot ids are ignored, unreadable folders are an error.
  std::vector<std::string> snapshot_ids() const;
  // Throws not_found, or damaged also when the manifest belongs to another repository or another name.
  Manifest read_manifest(const std::string& id) const;
  // nullopt in an empty repository.
  std::optional<Manifest> read_latest() const;
  // "latest", an id or the unique beginning of one. Throws not_found, naming what is there.
  std::string resolve(const std::string& name) const;

  // Makes the snapshot exist: object names first, then the manifest, then its folder. Throws refused when the
  // id is taken.
  void publish(const Manifest& manifest) const;
  std::uint64_t manifest_bytes(const std::string& id) const;

 private:
  Repository(base::Path path, std::string id)
      : path_(std::move(path)), id_(std::move(id)), objects_(path_ / "objects") {}
  base::Path manifest_path(const std::string& id) const { return path_ / "snapshots" / (id + ".json"); }

  base::Path path_;
  std::string id_;
  ObjectStore objects_;
};

}  // namespace tmb::repository
