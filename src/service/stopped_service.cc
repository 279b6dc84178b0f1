// SPDX-License-Identifier: MIT
#include "service/stopped_service.hh"

#include <algorithm>

#include "base/error.hh"

namespace tmb::service {

namespace {

using base::Error;
using base::ExitCode;

bool contains(const std::vector<std::string>& units, const std::string& unit) {
  return std::any_of(units.begin(), units.end(),
                     [&](const std::string& each) { return service_name(each) == unit; });
}

}  // namespace

std::vector<PriorState> check_units(ServiceControl& control, const StopOptions& options) {
  std::vector<PriorState> prior;
  for (const std::string& named : options.units) {
    const std::string unit = service_name(named);
    if (std::any_of(prior.begin(), prior.end(), [&](const PriorState& each) { return each.unit == unit; })) {
      throw Error(ExitCode::service, unit + " is named twice");
    }
    const UnitState state = control.check(unit);
    prior.push_back({unit, state.is_wanted(), contains(options.keep_stopped, unit)});
  }
  for (const std::string& named : options.keep_stopped) {
    if (!contains(options.units, service_name(named))) {
      throw Error(ExitCode::service,
                  service_name(named) + " is to be kept stopped, but is not among the units to stop");
    }
  }
  return prior;
}

StoppedService::StoppedService(ServiceControl& control, StopOptions options, std::vector<PriorState> prior,
                               const std::stop_token& stop)
    : control_(control), options_(std::move(options)), prior_(std::move(prior)) {
  try {
    stop_all(stop);
  } catch (Error& error) {
    // No destructor runs for an object that was never made.
    try {
      start_again(Comeback::on_old_data);
      error.with_state("nothing was changed; the units are as they were before");
    } catch (const Error& second) {
      error.with_state("the data was not changed, but " + second.message()).with_hint(second.hint());
    }
    throw;
  }
}

StoppedService::StoppedService(Adopt /*unused*/, ServiceControl& control, StopOptions options,
                               std::vector<PriorState> prior)
    : control_(control), options_(std::move(options)), prior_(std::move(prior)) {}

StoppedService::~StoppedService() {
  try {
    start_again(Comeback::on_old_data);
  } catch (const std::exception& error) {
    try {
      warn(error.what());
    } catch (const std::exception&) {
      return;  // the reporter itself failed: nobody is left to tell
    }
  }
}

// Everything is held before anything is stopped, so that stopping one cannot make another one start.
void StoppedService::stop_all(const std::stop_token& stop) {
  for (const PriorState& each : prior_) control_.hold(each.unit);
  for (const PriorState& each : prior_) {
    const StopResult result = control_.stop(each.unit, options_.stop_limit, stop);
    if (!result.warning.empty()) warn(result.warning);
  }
}

void StoppedService::confirm_down() {
  for (const PriorState& each : prior_) {
    const UnitState state = control_.state(each.unit);
    if (!state.is_down()) {
      throw Error(ExitCode::service,
                  each.unit + " is running although it was stopped and is held down: ActiveState=" +
                      base::printable(state.active_state))
          .with_hint("see: journalctl -u " + each.unit + " -n 50");
    }
  }
}

void StoppedService::start_again(Comeback comeback) {
  if (!armed_) return;
  armed_ = false;
  std::optional<Error> first;
  const auto attempt = [&](auto&& act) {
    try {
      act();
    } catch (const Error& error) {
      if (first) {
        warn(error.message());
      } else {
        first = error;
      }
    }
  };
  for (const PriorState& each : prior_) attempt([&] { control_.release(each.unit); });
  std::for_each(prior_.rbegin(), prior_.rend(), [&](const PriorState& each) {
    const bool stays = each.keep_stopped && comeback == Comeback::on_new_data;
    if (each.was_wanted && !stays) attempt([&] { control_.start(each.unit, options_.start_limit); });
  });
  if (first) throw *first;
}

void StoppedService::warn(const std::string& message) const {
  if (options_.warn) options_.warn(message);
}

}  // namespace tmb::service
