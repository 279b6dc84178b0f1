// SPDX-License-Identifier: MIT
// For roles that may not create databases: everything in one transaction of the live database, after a
// snapshot of what is there. Private to restore/.
#pragma once

#include "repository/source.hh"
#include "restore/preflight.hh"
#include "restore/session.hh"

namespace tmb::restore {

Outcome restore_in_place(Session& session, const repository::BackupSource& source, const Target& target);

}  // namespace tmb::restore
