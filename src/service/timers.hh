// SPDX-License-Identifier: MIT
// A look at timers and the services that they start: does systemd know them, will they run, how did the last
// run end. Changes nothing and needs no privilege.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.hh"

namespace tmb::service {

// Words are systemd's own, as in service_control.hh.
struct TimerState {
  std::string timer;            // its name; empty: the service is started by something else
  std::string load_state;       // loaded, not-found, masked, …
  std::string active_state;     // active: it will go off
  std::string unit_file_state;  // enabled, disabled, masked, …
  std::optional<base::Time> next;
  bool condition_failed = false;  // it was started, but a condition of it does not hold on this machine

  std::string service;
  std::string service_active_state;  // activating: it runs now
  std::string service_result;        // success, exit-code, timeout, …
  int service_exit = 0;              // of its newest process
};

struct TimerPair {
  std::string timer;  // may be empty
  std::string service;
};

// In the order asked for. nullopt where systemd is not the one that runs this machine, or cannot be asked.
std::optional<std::vector<TimerState>> read_timers(const std::vector<TimerPair>& pairs);

}  // namespace tmb::service
