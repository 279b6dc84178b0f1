// SPDX-License-Identifier: MIT
// Where a backup writes to: a repository, or a file of its own. Everything that was put counts only once its
// manifest is published.
#pragma once

#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "repository/known_damage.hh"
#include "repository/manifest.hh"
#include "repository/repository.hh"

namespace tmb::repository {

class BackupSink {
 public:
  virtual ~BackupSink() = default;

  // What is there already; also what a parent is looked for in.
  virtual std::string repository_id() const = 0;
  virtual bool encrypted() const = 0;
  virtual std::vector<std::string> snapshot_ids() const = 0;  // oldest first
  virtual Manifest read_manifest(const std::string& id) const = 0;

  // Held while a backup writes; nullopt where nobody else could. Throws locked.
  virtual std::optional<base::FileLock> lock_for_writing() const = 0;

  // As the functions of ObjectStore. For several threads.
  virtual StoredObject put(ObjectType type, std::string_view content, Workspace& workspace) const = 0;
  // Whether an object that is there may be taken over unread.
  virtual bool looks_intact(const ObjectRef& ref) const = 0;
  virtual std::uint64_t stored_bytes(const ObjectRef& ref) const = 0;

  // Makes the snapshot exist; the last call. Returns the bytes of its manifest.
  virtual std::uint64_t publish(const Manifest& manifest) const = 0;
};

class RepositorySink final : public BackupSink {
 public:
  // `repository` must outlive it. What is `damaged` does not look intact, whatever its length.
  explicit RepositorySink(const Repository& repository, KnownDamage damaged = {})
      : repository_(repository), damaged_(std::move(damaged)) {}

  std::string repository_id() const override { return repository_.id(); }
  bool encrypted() const override { return repository_.encrypted(); }
  std::vector<std::string> snapshot_ids() const override { return repository_.snapshot_ids(); }
  Manifest read_manifest(const std::string& id) const override { return repository_.read_manifest(id); }
  std::optional<base::FileLock> lock_for_writing() const override { return repository_.lock_for_writing(); }
  StoredObject put(ObjectType type, std::string_view content, Workspace& workspace) const override {
    StoredObject stored = repository_.objects().put(type, content, workspace);
    if (damaged_.objects.contains(stored.ref.id)) {
      const std::lock_guard lock(mutex_);
      mended_.objects.insert(stored.ref.id);
    }
    return stored;
  }
  bool looks_intact(const ObjectRef& ref) const override {
    return !damaged_.objects.contains(ref.id) && repository_.objects().looks_intact(ref);
  }
  std::uint64_t stored_bytes(const ObjectRef& ref) const override {
    return repository_.objects().stored_bytes(ref);
  }
  std::uint64_t publish(const Manifest& manifest) const override {
    repository_.publish(manifest);
    return repository_.manifest_bytes(manifest.id);
  }

  // Of what was damaged: what put() has found good or written again.
  const KnownDamage& mended() const { return mended_; }

 private:
  const Repository& repository_;
  const KnownDamage damaged_;
  mutable std::mutex mutex_;  // of mended_
  mutable KnownDamage mended_;
};

}  // namespace tmb::repository
