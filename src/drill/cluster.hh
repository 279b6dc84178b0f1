// SPDX-License-Identifier: MIT
// A PostgreSQL server of our own, for a drill on a machine whose server must not be touched or that has none:
// initdb in a folder, a private socket, no network, gone with this.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/file.hh"
#include "base/lock.hh"
#include "base/process.hh"
#include "postgres/connection.hh"
#include "repository/manifest.hh"

namespace tmb::drill {

class ThrowAwayCluster {
 public:
  // Of the release of the snapshot's server or the next newer one that is installed. `account`: who runs it
  // when we are root, since PostgreSQL refuses root. Clusters of dead drills in `cache` are removed. Throws
  // unsupported, local_io, database.
  ThrowAwayCluster(const base::Path& cache, const repository::Manifest& manifest,
                   const std::string& pg_bin_dir, const std::optional<base::OsUser>& account,
                   const std::stop_token& stop);
  ThrowAwayCluster(const ThrowAwayCluster&) = delete;
  ThrowAwayCluster& operator=(const ThrowAwayCluster&) = delete;
  ~ThrowAwayCluster();

  const postgres::ConnectionSettings& settings() const { return settings_; }
  base::Path state_dir() const { return folder_ / "state"; }

 private:
  void initialise(const std::string& folder_of_programs);
  void start(const std::string& folder_of_programs);
  void create_roles(const repository::Manifest& manifest);

  struct Server;
  base::Path folder_;
  std::optional<base::OsUser> account_;
  std::stop_token stop_;
  std::optional<base::FileLock> lock_;
  std::unique_ptr<Server> server_;
  postgres::ConnectionSettings settings_;
};

}  // namespace tmb::drill
