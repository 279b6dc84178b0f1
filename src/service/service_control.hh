// SPDX-License-Identifier: MIT
// What a restore needs from whoever runs TeslaMate: is it running, stop it, keep it down, start it.
// Narrow, so that a test can fake it and a command pair (Docker) can stand behind it one day.
// It judges by what is, never by what a job claimed to have done; health after a start is not its business.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace tmb::service {

struct Process {
  std::uint32_t pid = 0;
  std::string command;
};

// One look at a unit. Words are systemd's own; see org.freedesktop.systemd1(5).
struct UnitState {
  std::string id;                  // the unit's own name, where `unit` was an alias
  std::string load_state;          // loaded, not-found, masked, bad-setting, error
  std::string active_state;        // active, reloading, inactive, failed, activating, deactivating
  std::string sub_state;           // running, dead, auto-restart, …
  std::string result;              // success, exit-code, signal, timeout, start-limit-hit, …
  std::string unit_file_state;     // enabled, disabled, static, masked, …; empty for a transient unit
  std::string invocation_id;       // 32 hex digits, new with every start; empty when it never ran
  std::uint32_t main_pid = 0;      // 0: none
  std::uint32_t restarts = 0;      // automatic restarts since the last start by hand
  std::vector<Process> processes;  // everything alive in its control group
  std::chrono::microseconds stop_time{};   // TimeoutStopUSec; max() is "no limit"
  std::chrono::microseconds start_time{};  // TimeoutStartUSec; max() is "no limit"
  bool held = false;                       // our drop-in is there and systemd has read it
  bool is_assumed = false;                 // nobody could be asked: it may as well be the other way

  // Meant to be running: also while it starts, reloads, or waits for its automatic restart.
  bool is_wanted() const;
  // Nothing of it runs: inactive or failed, no main process, an empty control group.
  bool is_down() const;
};

struct StopResult {
  bool was_wanted = false;
  std::string warning;  // not empty: it is down, but not as it should have been (killed, failed)
};

// What a person types to do the same; for hints.
struct Advice {
  std::string stop;
  std::string start;  // also when it is held
  std::string log;    // to see why it does not run
};

// Every function throws Error(service), naming the unit, when it cannot do what it says.
// Names without a suffix mean NAME.service.
class ServiceControl {
 public:
  virtual ~ServiceControl() = default;

  virtual UnitState state(const std::string& unit) = 0;

  // Everything that would refuse a later stop, hold or start: bus out of reach, unit missing, masked or
  // broken, no permission. Changes nothing. Returns the state it saw.
  virtual UnitState check(const std::string& unit) = 0;

  // Returns when the unit is down. `limit`: how long that may take; without one, twice the unit's own
  // stop time, at least 90 s. A requested stop ends the wait with Error(interrupted): the unit may then
  // be on its way down, and starting it again is the caller's duty.
  virtual StopResult stop(const std::string& unit, std::optional<std::chrono::seconds> limit,
                          std::stop_token stop) = 0;

  // Returns when systemd says it is up; it may still die a second later. Cannot be interrupted: it is
  // what ends the outage. `limit` as above, from the unit's own start time.
  virtual UnitState start(const std::string& unit, std::optional<std::chrono::seconds> limit) = 0;

  // From here on nobody can start the unit: no Restart=, no timer, no socket, no person (an automatic
  // restart that is already counting down may still happen once; stop() ends that, too). Until release(),
  // or until the machine restarts. Leaves a running unit alone. Doing it twice is fine.
  virtual void hold(const std::string& unit) = 0;
  virtual void release(const std::string& unit) = 0;

  virtual Advice advice(const std::string& unit) const;
  // The name under which it knows what a person called `unit`. Throws Error(service).
  virtual std::string unit_name(const std::string& unit) const;
};

// "teslamate" -> "teslamate.service". Throws Error(service) for anything that is not the name of one
// service: the result is safe as a file name, on a terminal and in a unit file.
std::string service_name(std::string_view unit);

// A command as one would type it in a shell.
std::string command_text(const std::vector<std::string>& argv);

}  // namespace tmb::service
