// SPDX-License-Identifier: MIT
// The repository folder: created, opened, locked; snapshots listed, read and published.
//   format.json             magic, version, repository id, and whether it is encrypted (format.hh)
//   lock                    never unlinked; byte 0 shared by readers, byte 1 held by the one writer
//   keys/                   only when it is encrypted (key_slot.hh)
//   objects/00..ff/<id>     see object_store.hh
//   snapshots/<id>.json     see manifest.hh; the commit point
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/file.hh"
#include "base/lock.hh"
#include "repository/format.hh"
#include "repository/key_slot.hh"
#include "repository/manifest.hh"
#include "repository/object_store.hh"

namespace tmb::repository {

// What the first key slot of a new encrypted repository is made of.
struct NewKey {
  base::Secret secret;  // a passphrase, or a text of key_text.hh
  std::string label;
  base::Time now{};
  crypto::ScryptCost cost = default_cost;
};

class Repository {
 public:
  // Makes the folders and format.json, last; a crash before leaves something that create() completes. The
  // folder may exist if it is empty or half made. With `key` it is encrypted. Throws local_io; no_repository
  // when something else is in it; damaged when all but format.json is there; locked.
  static Repository create(const base::Path& path, const std::optional<NewKey>& key = {});

  // Throws no_repository when there is none at `path`, unsupported for a newer format, damaged when
  // format.json has changed or is missing beside snapshots. `ask` is called for the key of an encrypted one:
  // see unlock().
  static Repository open(const base::Path& path, const AskSecret& ask = {});
  // format.json alone: is it encrypted, with which key? Throws as open does.
  static Format read_format(const base::Path& path);
  // The same repository once more, without asking for the key again.
  Repository share() const {
    Repository same{path_, format_, ring_};
    same.keep_free(objects_.kept_free());
    return same;
  }
  // As the object store's.
  void keep_free(std::uint64_t bytes) { objects_.keep_free(bytes); }
  // With keys that are at hand, while they are being changed (rekey.hh).
  static Repository with_keys(const base::Path& path, Format format, KeyRing ring) {
    return {path, std::move(format), std::make_shared<const KeyRing>(std::move(ring))};
  }

  const base::Path& path() const { return path_; }
  const std::string& id() const { return format_.id; }
  bool encrypted() const { return format_.encrypted; }
  const Format& format() const { return format_; }
  const KeyRing& keys() const { return *ring_; }
  std::vector<KeyFile> read_key_files() const;  // all of keys/, by name
  // A key for files that are kept outside the repository, such as undo files; nullopt when it is not
  // encrypted. Those sealed before the master key was changed open with one of the others.
  std::optional<crypto::Key> local_key(const std::string& purpose) const;
  std::vector<crypto::Key> earlier_local_keys(const std::string& purpose) const;
  const ObjectStore& objects() const { return objects_; }

  // The one writer. Throws locked at once when there is another, or the key is another than when this was
  // opened; local_io. Temporary files of crashed runs are removed, missing folders of objects made.
  base::FileLock lock_for_writing() const;
  // Readers exclude only the removal of objects, for which this waits five seconds. Throws locked, also when
  // the key was changed meanwhile.
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
  // The same in steps, for manifests that are copied as they are. The bytes are those of the manifest's file.
  std::string read_manifest_file(const std::string& id) const;
  Manifest open_manifest(const std::string& bytes, const std::string& id) const;
  std::string make_manifest_file(const Manifest& manifest) const;
  void publish_file(const std::string& id, const std::string& bytes) const;
  std::uint64_t manifest_bytes(const std::string& id) const;

 private:
  Repository(base::Path path, Format format, std::shared_ptr<const KeyRing> ring)
      : path_(std::move(path)),
        format_(std::move(format)),
        ring_(std::move(ring)),
        objects_(path_ / "objects", ring_) {}
  base::Path manifest_path(const std::string& id) const { return path_ / "snapshots" / (id + ".json"); }

  base::Path path_;
  Format format_;
  std::shared_ptr<const KeyRing> ring_;
  ObjectStore objects_;
};

// The files of keys/ in the repository at `path`; none when there is no such folder.
std::vector<KeyFile> read_key_files(const base::Path& path);

// A manifest from the bytes of its file, wherever that is kept. Throws damaged also when it belongs to
// another repository or another name.
Manifest open_manifest_file(const std::string& bytes, const std::string& id, const std::string& repository_id,
                            const std::shared_ptr<const KeyRing>& ring);

}  // namespace tmb::repository
