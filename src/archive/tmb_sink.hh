// SPDX-License-Identifier: MIT
// A backup taken straight into a .tmb: each object is a member as soon as it is made, the manifest the last
// one. Keeps the names of what is in it, not the content.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "archive/tmb.hh"
#include "repository/sink.hh"

namespace tmb::archive {

// Whose file it is: of a repository's family, with its id and keys, so that an import copies only what is
// missing there; or of none, not encrypted.
struct TmbFamily {
  std::string format;  // the bytes of format.json
  std::vector<repository::KeyFile> keys;
  std::string repository_id;
  std::shared_ptr<const repository::KeyRing> ring;
};
TmbFamily family_of(const repository::Repository& repository);
TmbFamily new_family();

class TmbSink final : public repository::BackupSink {
 public:
  // `out` is called by one thread at a time. `time` goes to the members.
  TmbSink(TmbFamily family, std::function<void(std::string_view)> out, base::Time time);

  std::string repository_id() const override { return family_.repository_id; }
  bool encrypted() const override { return family_.ring && family_.ring->current; }
  std::vector<std::string> snapshot_ids() const override { return {}; }
  repository::Manifest read_manifest(const std::string& id) const override;
  std::optional<base::FileLock> lock_for_writing() const override { return std::nullopt; }
  repository::StoredObject put(repository::ObjectType type, std::string_view content,
                               repository::Workspace& workspace) const override;
  bool looks_intact(const repository::ObjectRef& ref) const override;
  std::uint64_t stored_bytes(const repository::ObjectRef& ref) const override;
  std::uint64_t publish(const repository::Manifest& manifest) const override;

 private:
  TmbFamily family_;
  repository::ObjectStore store_;  // without a folder
  mutable std::mutex mutex_;       // of what follows
  mutable TmbWriter writer_;
  mutable std::map<std::string, std::uint64_t> members_;  // by id: the bytes, 0 while one is being made
};

}  // namespace tmb::archive
