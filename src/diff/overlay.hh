// SPDX-License-Identifier: MIT
// The live database as a state to compare with: a backup is taken on top of one snapshot, what is new goes
// into a file without a name, and nothing of it stays.
#pragma once

#include <map>
#include <mutex>

#include "base/fd.hh"
#include "repository/sink.hh"
#include "repository/source.hh"

namespace tmb::diff {

class Overlay final : public repository::BackupSink, public repository::BackupSource {
 public:
  // `base` and `snapshot` must outlive it; the snapshot is the only one that a backup sees.
  Overlay(const repository::Repository& base, const repository::Manifest& snapshot, base::UniqueFd scratch);

  // As a sink.
  std::string repository_id() const override { return base_.id(); }
  bool encrypted() const override { return base_.encrypted(); }
  std::vector<std::string> snapshot_ids() const override { return {snapshot_.id}; }
  repository::Manifest read_manifest(const std::string& id) const override;
  std::optional<base::FileLock> lock_for_writing() const override { return std::nullopt; }
  repository::StoredObject put(repository::ObjectType type, std::string_view content,
                               repository::Workspace& workspace) const override;
  bool looks_intact(const repository::ObjectRef& ref) const override;
  std::uint64_t stored_bytes(const repository::ObjectRef& ref) const override;
  std::uint64_t publish(const repository::Manifest& manifest) const override;

  // As a source, once something was published.
  const repository::Manifest& manifest() const override { return live_; }
  void read(repository::ObjectType type, const repository::ObjectRef& ref, repository::Workspace& workspace,
            std::string& content) const override;
  std::string describe() const override { return "the live database"; }

 private:
  struct Place {
    std::uint64_t at = 0;
    std::uint64_t size = 0;
  };
  const Place* find(const std::string& id) const;

  const repository::Repository& base_;
  const repository::Manifest& snapshot_;
  base::UniqueFd scratch_;
  mutable std::mutex mutex_;  // of what follows
  mutable std::map<std::string, Place> places_;
  mutable std::uint64_t end_ = 0;
  mutable repository::Manifest live_;
};

}  // namespace tmb::diff
