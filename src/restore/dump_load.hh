// SPDX-License-Identifier: MIT
// Snapshots of the pg_dump engine: their archive read through and loaded by pg_restore, which is fed piece by
// piece. Private to restore/.
#pragma once

#include <stop_token>

#include "report/reporter.hh"
#include "repository/source.hh"
#include "restore/preflight.hh"
#include "restore/session.hh"
#include "restore/stage.hh"

namespace tmb::restore {

// Lets pg_restore read the archive to its end. Throws damaged when it does not like it; says so and goes on
// where there is no pg_restore that could.
void read_dump_through(const repository::BackupSource& source, report::Reporter& reporter,
                       const std::stop_token& stop);

// Throws database with pg_restore's first error.
void load_dump(Session& session, const repository::BackupSource& source, const Target& target,
               const StagingDatabase& staging);

}  // namespace tmb::restore
