// SPDX-License-Identifier: MIT
// A plan and what became of it, as people and as programs read it.
#pragma once

#include <string>
#include <vector>

#include "report/json.hh"
#include "retention/prune.hh"

namespace tmb::retention {

// "last 7, hourly 24, …; days and weeks of CET (UTC+01:00)"
std::string describe(const Policy& policy, base::Time now);
// `all`: also each one that goes gets a line. Otherwise they are in the calendar alone.
std::vector<std::string> describe(const PruneOutcome& outcome, bool all);
report::Json to_json(const PruneOutcome& outcome);

// One line for each month, one sign for each day: the strongest reason for which a snapshot of it stays, a
// dot where all go.
std::vector<std::string> draw_calendar(const std::vector<Verdict>& plan,
                                       const Calendar& calendar = local_calendar);

}  // namespace tmb::retention
