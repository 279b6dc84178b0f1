// SPDX-License-Identifier: MIT
// Looks whether what was loaded is what the snapshot says, before anybody depends on it. Private to restore/.
#pragma once

#include "repository/source.hh"
#include "restore/preflight.hh"
#include "restore/stage.hh"

namespace tmb::restore {

// The parts of it that read nothing but the catalog, in whatever transaction `connection` is.
void check_content(Session& session, const repository::Manifest& manifest, postgres::Connection& connection);

// All of it; gathers statistics on the way. Throws damaged for rows or sequences that differ, database for
// indexes or extensions that do not work, unsupported for extensions older than the snapshot's.
void check(Session& session, const repository::Manifest& manifest, const StagingDatabase& staging);

}  // namespace tmb::restore
