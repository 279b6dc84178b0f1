// SPDX-License-Identifier: MIT
// What systemd says of our timers, judged. Private to status/.
#pragma once

#include <vector>

#include "status/status.hh"

namespace tmb::status {

// Good also where systemd has no such units: then another program is the clock. What no goal expects is not
// looked at.
Check check_timers(const std::vector<service::TimerState>& timers, const config::GoalSettings& goals,
                   base::Time now);

}  // namespace tmb::status
