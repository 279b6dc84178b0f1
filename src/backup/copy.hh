// SPDX-License-Identifier: MIT
// Goes through the planned page ranges with all workers: compare with the parent's chunk, take it over or
// COPY, store.
//
// A row is young when its transaction may have been running at the parent's snapshot, or began later. A row
// that is visible now and not young was visible in the parent's snapshot too, so the old rows of a range are
// a subset of the parent's; of the same number, they are the same. A row version never changes its bytes or
// its place, but by what the table's signature tells. So then the parent's objects hold the old rows, and
// only the young ones have to be read. An update or a delete of an old row makes their number smaller, and
// the range is read as a whole.

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

// `parent_oldest_transaction` counts only where the plan has candidates. Runs `also` once beside the workers
// (the schema dump). `store` null: nothing is stored and chunks that would be read have no objects (dry run).
// The first error of any worker stops the others and is thrown.
CopyResult copy_tables(const Plan& plan, const Session& session, const postgres::ConnectionSettings& settings,
                       std::uint64_t parent_oldest_transaction, const repository::BackupSink* store,
                       unsigned jobs, const std::function<void(const std::stop_token&)>& also,
                       report::Reporter& reporter, const std::stop_token& stop);

}  // namespace tmb::backup
