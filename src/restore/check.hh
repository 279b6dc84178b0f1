// SPDX-License-Identifier: MIT
// Looks whether what was loaded is what the snapshot says, before anybody depends on it. Private to restore/.
#pragma once

#include "repository/source.hh"
#include "restore/preflight.hh"
#include "restore/stage.hh"

namespace tmb::restore {

// Gathers statistics on the way. Throws damaged for rows or sequences that differ, database for indexes or
// extensions that do not work, unsupported for extensions older than the snapshot's.
void check(Session& session, const repository::Manifest& manifest, const StagingDatabase& staging);

}  // namespace tmb::restore
