// SPDX-License-Identifier: MIT
// Snapshots and findings as people and as programs read them.
#pragma once

#include <string>
#include <vector>

#include "base/clock.hh"
#include "report/json.hh"
#include "verify/usage.hh"
#include "verify/verify.hh"

namespace tmb::verify {

std::vector<std::string> describe(const Report& report, const Options& options);
report::Json to_json(const Report& report, const Options& options);

// The table of teslamate-snapshots list, oldest first.
std::vector<std::string> describe_list(const std::vector<SnapshotUsage>& snapshots, base::Time now);
// What teslamate-snapshots show says of one snapshot whose manifest is readable.
std::vector<std::string> describe_snapshot(const SnapshotUsage& snapshot, base::Time now);

report::Json list_to_json(const std::vector<SnapshotUsage>& snapshots);
report::Json snapshot_to_json(const SnapshotUsage& snapshot);

}  // namespace tmb::verify
