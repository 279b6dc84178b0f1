// SPDX-License-Identifier: MIT
#include "restore/input.hh"

#include "restore/dump_load.hh"
#include "restore/preflight.hh"
#include "restore/snapshot_code.hh"
#include "restore/stage.hh"
#include "restore/verify.hh"

namespace tmb::restore {

std::string SnapshotInput::origin() const {
  const repository::Manifest& m = manifest();
  return std::string(m.scope.empty() ? "" : "the settings alone of ") + title() +
         ", complete, from PostgreSQL " + base::printable(m.server_version) +
         (m.migration_version.empty() ? "; not of TeslaMate" : "; TeslaMate's schema " + m.migration_version);
}

void SnapshotInput::read_everything(Proof proof, unsigned jobs, report::Reporter& reporter,
                                    const std::stop_token& stop) {
  restore::read_everything(source_, proof, jobs, reporter, stop);
  if (trust_.of_stranger) refuse_code(source_, trust_.pg_bin_dir, stop);
  if (manifest().by_pg_dump()) read_dump_through(source_, reporter, stop);
}

void SnapshotInput::preflight(Session&, Target&) {}

void SnapshotInput::load(Session& session, const Target& target, const StagingDatabase& staging) {
  if (manifest().by_pg_dump()) {
    load_dump(session, source_, target, staging);
  } else {
    restore::load(session, source_, target, staging);
  }
}

}  // namespace tmb::restore
