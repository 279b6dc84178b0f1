// SPDX-License-Identifier: MIT
#include "repository/source.hh"

#include "base/error.hh"

namespace tmb::repository {

RepositorySource::RepositorySource(Repository repository, const std::string& snapshot_id)
    : repository_(std::move(repository)),
      lock_(repository_.lock_for_reading()),
      manifest_(repository_.read_manifest(snapshot_id)) {}

std::string RepositorySource::describe() const {
  return "snapshot " + manifest_.id + " of " + base::printable(repository_.path().string());
}

}  // namespace tmb::repository
