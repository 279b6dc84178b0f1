// SPDX-License-Identifier: MIT
// Commands that the owner wants run at named moments, with the facts in their environment as
// TESLAMATE_HOOK_NAME=value. They cannot change what we do, but one that runs before something can refuse it.
#pragma once

#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "service/command.hh"

namespace tmb::service {

using Facts = std::map<std::string, std::string>;  // names without the prefix: SNAPSHOT, DATABASE

struct Hook {
  std::string name;               // as in the settings: before_backup
  std::vector<std::string> argv;  // empty: none
  std::chrono::seconds timeout{600};
};

// Throws refused when the command does not end with 0, interrupted when asked to stop meanwhile.
void run_hook(const Hook& hook, const Facts& facts, const std::stop_token& stop);

// As above, for what is past changing: a failure is handed to `warn`.
void run_hook_after(const Hook& hook, const Facts& facts,
                    const std::function<void(const std::string&)>& warn);

}  // namespace tmb::service
