// SPDX-License-Identifier: MIT
// Units that are down for as long as this object lives: held and stopped in the order given, released
// and started again in reverse, and only those that were meant to run before. Whatever happens in
// between, leaving the scope brings them back. It does not judge whether they are healthy afterwards.
#pragma once

#include <functional>

#include "service/service_control.hh"

namespace tmb::service {

struct StopOptions {
  std::vector<std::string> units;                   // stopped in this order
  std::vector<std::string> keep_stopped;            // not started on new data; released all the same
  std::optional<std::chrono::seconds> stop_limit;   // for each unit; see ServiceControl::stop
  std::optional<std::chrono::seconds> start_limit;  // for each unit
  std::function<void(const std::string&)> warn;     // what went less than well; may be empty
};

// What has to be written down before a restore touches anything, so that the next run can undo it.
struct PriorState {
  std::string unit;
  bool was_wanted = false;
  bool keep_stopped = false;
};

// Which data the units will find when they come back: a unit to be kept stopped until its owner trusts
// the new data has no reason to be away from the old.
enum class Comeback { on_new_data, on_old_data };

// Looks at every unit, changes nothing. Throws Error(service) when any of them could not be stopped,
// held or started again, or when a name in `keep_stopped` is not among the units.
std::vector<PriorState> check_units(ServiceControl& control, const StopOptions& options);

class StoppedService {
 public:
  // Holds and stops. Throws Error(service) or Error(interrupted), after having brought back what it
  // had stopped; Error::state() says how that went.
  StoppedService(ServiceControl& control, StopOptions options, std::vector<PriorState> prior,
                 const std::stop_token& stop);

  // Takes over units that a crashed run left down.
  struct Adopt {};
  StoppedService(Adopt, ServiceControl& control, StopOptions options, std::vector<PriorState> prior);

  StoppedService(const StoppedService&) = delete;
  StoppedService& operator=(const StoppedService&) = delete;
  ~StoppedService();  // as start_again(on_old_data), but a failure is only a warning

  // Throws Error(service) unless every unit is down at this moment. The last look before the point of no
  // return.
  void confirm_down();

  // Releases all, starts those that were meant to run. Tries every unit, then throws the first failure.
  // A second call does nothing.
  void start_again(Comeback comeback);

  // Gives the units up as they are now: held and down. For a state that only a person can resolve.
  void leave_down() { armed_ = false; }

  const std::vector<PriorState>& prior() const { return prior_; }

 private:
  void stop_all(const std::stop_token& stop);
  void warn(const std::string& message) const;

  ServiceControl& control_;
  StopOptions options_;
  std::vector<PriorState> prior_;
  bool armed_ = true;
};

}  // namespace tmb::service
