// SPDX-License-Identifier: MIT
// The schema of a snapshot: pg_dump's archive of the definitions alone, or the parent's where no definition
// has changed since.
#pragma once

#include <stop_token>
#include <string>

#include "backup/backup.hh"
#include "backup/session.hh"

namespace tmb::backup {

struct SchemaResult {
  repository::ObjectRef object;
  std::string tool_version;
  std::uint64_t new_bytes = 0;
  bool unchanged = false;
};

// `parent` null, or the manifest whose origin is this database's. `encoding` is the database's: a
// client_encoding set for the role or the server must not change the archive. `catalog_fingerprint` is
// today's.
SchemaResult store_schema(const Options& options, const Adapters& adapters, const std::string& snapshot,
                          int server_major, const std::string& encoding,
                          const std::string& catalog_fingerprint, const repository::Manifest* parent,
                          const std::stop_token& stop);

// Of an archive of pg_dump -Fc, by its first bytes: the time of the dump, made the same for all.
void fix_creation_time(std::string& archive);

}  // namespace tmb::backup
