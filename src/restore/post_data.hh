// SPDX-License-Identifier: MIT
// The second half of a schema, after the rows: all indexes side by side, primary keys of large tables among
// them, then what pg_restore does best. Private to restore/.
#pragma once

#include "repository/manifest.hh"
#include "restore/schema.hh"
#include "restore/session.hh"

namespace tmb::restore {

// Throws as pg_restore and the database do. `database` is the staging database, with all its rows in it.
void restore_post_data(const Session& session, const SchemaArchive& archive,
                       const repository::Manifest& manifest, const postgres::ConnectionSettings& database,
                       unsigned jobs);

}  // namespace tmb::restore
