// SPDX-License-Identifier: MIT
// Reads the planned page ranges with all workers: fingerprint, take over or COPY, store.
#pragma once

#include <functional>
#include <stop_token>

#include "backup/backup.hh"
#include "backup/plan.hh"
#include "backup/session.hh"

namespace tmb::backup {

struct CopyTotals {
  std::uint64_t new_bytes = 0;
  std::uint64_t read_bytes = 0;
  std::uint64_t healed = 0;
  std::vector<std::uint64_t> unchanged;  // chunks taken over, per table
};

struct CopyResult {
  std::vector<std::vector<repository::Chunk>> chunks;  // per table of the plan, in page order
  CopyTotals totals;
};

// Runs `also` once beside the workers (the schema dump). `store` null: nothing is stored and chunks that would
// be read have no objects (dry run). The first error of any worker stops the others and is thrown.
CopyResult copy_tables(const Plan& plan, const Session& session, const postgres::ConnectionSettings& settings,
                       const repository::ObjectStore* store, unsigned jobs,
                       const std::function<void(const std::stop_token&)>& also, report::Reporter& reporter,
                       const std::stop_token& stop);

}  // namespace tmb::backup
