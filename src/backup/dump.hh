// SPDX-License-Identifier: MIT
// The pg_dump engine: a database that the chunks do not carry (large objects, TimescaleDB, foreign tables …)
// is kept as one archive of pg_dump, cut into pieces that are stored like any other object.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "backup/backup.hh"
#include "backup/session.hh"

namespace tmb::backup {

// Whether the pg_dump engine has to be used, and says so. Throws database, naming every object that no engine
// can carry.
bool needs_pg_dump(const Session& session, report::Reporter& reporter);

struct DumpResult {
  std::vector<repository::ObjectRef> pieces;
  std::string tool_version;
  std::uint64_t new_bytes = 0;
  std::uint64_t read_bytes = 0;
  std::uint64_t healed = 0;
};

// Reads the whole database, every time: what is saved is space.
DumpResult store_dump(const Options& options, const Adapters& adapters, const Session& session,
                      const std::stop_token& stop);

// Rows of all tables in the session's snapshot.
std::uint64_t count_all_rows(Session& session);

}  // namespace tmb::backup
