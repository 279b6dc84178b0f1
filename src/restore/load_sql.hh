// SPDX-License-Identifier: MIT
// Loads a dump's SQL into the staging database: definitions one after another, rows over all workers, indexes
// and keys side by side. Sends nothing that was not judged. Private to restore/.
#pragma once

#include <map>
#include <string>

#include "base/byte_source.hh"
#include "restore/session.hh"

namespace tmb::restore {

class FileInput;
class StagingDatabase;
struct Target;

// Who stands in for the roles that a dump names. Its main owner becomes the live database's owner, and so do
// owners that this server does not have; grants to such roles are left out.
class RoleMap {
 public:
  RoleMap(postgres::Connection& admin, const FileInput& input, std::string owner);
  const std::string& owner() const { return owner_; }  // of the staging database
  std::string owner(const std::string& role) const;
  std::string grantee(const std::string& role) const;  // empty: left out

 private:
  std::string owner_;
  std::string main_;
  std::map<std::string, bool> known_;  // role: the server has it
};

// Throws database naming the line for what the server refuses, damaged when `text` is not what was read
// before.
void load_sql(Session& session, const Target& target, const StagingDatabase& staging, const FileInput& input,
              base::ByteSource& text);

}  // namespace tmb::restore
