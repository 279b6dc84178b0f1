// SPDX-License-Identifier: MIT
// The second half of a schema, after the rows: all indexes side by side, primary keys of large tables among
// them, then what pg_restore does best. Private to restore/.
#pragma once

#include <cstdint>

#include "repository/manifest.hh"
#include "restore/schema.hh"
#include "restore/session.hh"

namespace tmb::restore {

// How indexes are to be made: `jobs` at a time, each with this much memory to sort in.
struct IndexBuild {
  unsigned jobs = 1;
  std::uint64_t memory_mb = 64;
};

// Throws as pg_restore and the database do. `database` is the staging database, with all its rows in it.
void restore_post_data(const Session& session, const SchemaArchive& archive,
                       const repository::Manifest& manifest, const postgres::ConnectionSettings& database,
                       const IndexBuild& build);

}  // namespace tmb::restore
