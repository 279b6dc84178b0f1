// SPDX-License-Identifier: MIT
// Where a restore reads from: one snapshot, wherever it is kept. A repository is one; archives and foreign
// files will be others, each held to tests/contract.
#pragma once

#include <memory>
#include <string>

#include "repository/manifest.hh"
#include "repository/repository.hh"

namespace tmb::repository {

class BackupSource {
 public:
  virtual ~BackupSource() = default;
  virtual const Manifest& manifest() const = 0;
  // The verified content of one of the manifest's objects. Throws damaged. For several threads, each with its
  // own workspace.
  virtual void read(ObjectType type, const ObjectRef& ref, Workspace& workspace,
                    std::string& content) const = 0;
  // Whether an object is there as it was stored. A source that can tell without decoding it does. Throws
  // damaged. For several threads too.
  virtual void check(ObjectType type, const ObjectRef& ref, Workspace& workspace) const {
    std::string content;
    read(type, ref, workspace, content);
  }
  // For messages: "snapshot 2026…-7f3a of /var/lib/…".
  virtual std::string describe() const = 0;
};

// A snapshot of a repository, under the reader's lock while this lives.
class RepositorySource final : public BackupSource {
 public:
  RepositorySource(Repository repository, const std::string& snapshot_id);
  const Manifest& manifest() const override { return manifest_; }
  void read(ObjectType type, const ObjectRef& ref, Workspace& workspace,
            std::string& content) const override {
    repository_.objects().get(type, ref, workspace, content);
  }
  void check(ObjectType type, const ObjectRef& ref, Workspace& workspace) const override {
    repository_.objects().check(type, ref, workspace);
  }
  std::string describe() const override;

 private:
  Repository repository_;
  base::FileLock lock_;
  Manifest manifest_;
};

}  // namespace tmb::repository
