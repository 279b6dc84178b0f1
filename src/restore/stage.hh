// SPDX-License-Identifier: MIT
// Fills a database beside the live one. It is dropped again unless it is released. Private to restore/.
#pragma once

#include <string>

#include "repository/source.hh"
#include "restore/preflight.hh"
#include "restore/session.hh"

namespace tmb::restore {

// A database made by this run, marked before anything is in it.
class StagingDatabase {
 public:
  StagingDatabase(Session& session, const Target& target, const std::string& snapshot);
  StagingDatabase(const StagingDatabase&) = delete;
  StagingDatabase& operator=(const StagingDatabase&) = delete;
  // Drops it, through a new session: the old one may be cancelled or lost.
  ~StagingDatabase();

  const std::string& name() const { return name_; }
  std::uint32_t oid() const { return oid_; }
  postgres::ConnectionSettings settings() const { return session_->settings().with_database(name_); }
  void release() { session_ = nullptr; }  // it is somebody's now

 private:
  void make(const Target& target);
  void drop() noexcept;
  void forget() noexcept;
  Session* session_;
  std::string name_;
  std::uint32_t oid_ = 0;
};

// Schema, rows with all workers, sequences, indexes and constraints, materialised views.
void load(Session& session, const repository::BackupSource& source, const Target& target,
          const StagingDatabase& staging);

}  // namespace tmb::restore
