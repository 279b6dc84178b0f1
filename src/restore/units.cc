// SPDX-License-Identifier: MIT
#include "restore/units.hh"

#include <algorithm>
#include <map>
#include <optional>
#include <thread>

#include "base/error.hh"
#include "http/probe.hh"
#include "service/systemd_control.hh"

namespace tmb::restore {

using base::Error;
using base::ExitCode;
using base::printable;
using namespace std::chrono_literals;

namespace {

constexpr auto probe_timeout = 3s;
constexpr auto look_interval = 100ms;

// Follows one unit from its start: any restart, or an end of being active, shows.
class Watch {
 public:
  explicit Watch(const service::UnitState& first)
      : restarts_(first.restarts), invocation_(first.invocation_id) {}

  // Throws as soon as the unit has failed. True while it is active.
  bool is_active(const std::string& unit, const service::UnitState& now) {
    if (now.restarts > restarts_ || now.sub_state == "auto-restart" ||
        (!invocation_.empty() && now.invocation_id != invocation_)) {
      throw Error(ExitCode::service, printable(unit) + " started and ended again (" + printable(now.result) +
                                         "): it does not "
                                         "run on the restored database");
    }
    if (now.active_state == "failed" || now.active_state == "inactive") {
      throw Error(ExitCode::service, printable(unit) + " is " + printable(now.active_state) +
                                         " after its start (" + printable(now.result) + ")");
    }
    return now.active_state == "active" || now.active_state == "reloading";
  }

 private:
  std::uint32_t restarts_;
  std::string invocation_;
};

}  // namespace

void Units::look(std::vector<UnitRecord>& units) {
  bool any = false;
  for (UnitRecord& unit : units) {
    unit.was_active = control_ != nullptr && control_->state(unit.name).is_wanted();
    any = any || unit.was_active;
  }
  answered_before_ =
      any && !options_->health_url.empty() && http::probe(options_->health_url, probe_timeout).is_success();
}

void Units::announce_stop() const {
  if (control_ != nullptr && options_->before_stop) options_->before_stop();
}

void Units::announce_start() const {
  if (control_ != nullptr && options_->after_start) options_->after_start();
}

service::Advice Units::advice(const std::string& unit) const {
  return control_ == nullptr ? service::SystemdControl().advice(unit) : control_->advice(unit);
}

void Units::take_down(const std::vector<UnitRecord>& units) {
  // All are held before the first stops: none may pull another one up again.
  if (control_ != nullptr) {
    for (const UnitRecord& unit : units) control_->hold(unit.name);
  }
  if (!down_since_) down_since_ = std::chrono::steady_clock::now();
  if (control_ == nullptr) return;
  for (const UnitRecord& unit : units) {
    const service::StopResult result = control_->stop(unit.name, std::nullopt, {});
    if (!result.warning.empty()) reporter_->note(result.warning);
  }
}

double Units::seconds_down() const {
  if (!down_since_) return 0;
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - *down_since_).count();
}

void Units::confirm_down(const std::vector<UnitRecord>& units) {
  if (control_ == nullptr) return;
  for (const UnitRecord& unit : units) {
    if (!control_->state(unit.name).is_down()) {
      throw Error(ExitCode::service, printable(unit.name) + " came back while it was to be down");
    }
  }
}

bool Units::are_free(const std::vector<UnitRecord>& units) {
  if (control_ == nullptr) return true;
  try {
    return std::ranges::none_of(units,
                                [&](const UnitRecord& unit) { return control_->state(unit.name).held; });
  } catch (const Error&) {
    return false;
  }
}

void Units::bring_up(const std::vector<UnitRecord>& units, Data data) {
  if (control_ == nullptr) return;
  std::optional<Error> first;
  const auto attempt = [&](const auto& action) {
    try {
      action();
    } catch (const Error& error) {
      if (!first) first = error;
    }
  };
  baselines_.clear();
  // All are free before the first starts: it may pull up the others.
  for (const UnitRecord& unit : units) attempt([&] { control_->release(unit.name); });
  std::for_each(units.rbegin(), units.rend(), [&](const UnitRecord& unit) {
    if (unit.was_active && (data == Data::present || !unit.keep_stopped)) attempt([&] { start(unit.name); });
  });
  if (first) throw Error(*first);
}

void Units::start(const std::string& unit) {
  service::UnitState before = control_->state(unit);
  if (before.is_wanted() && !before.is_assumed) {
    baselines_.insert_or_assign(unit, before);
    return;
  }
  service::UnitState started = control_->start(unit, std::nullopt);
  // A start by hand counts from 0: whatever stands there already is a restart that we missed.
  started.restarts = 0;
  baselines_.insert_or_assign(unit, started);
}

void Units::watch(const std::function<bool()>& database_answers) {
  std::map<std::string, Watch> watched;
  for (const auto& [name, baseline] : baselines_) watched.emplace(name, Watch(baseline));
  bool ask = !watched.empty() && !options_->health_url.empty();
  const auto began = std::chrono::steady_clock::now();
  const auto settle = watched.empty() ? 0s : options_->settle;
  std::optional<std::chrono::steady_clock::time_point> active_since;
  http::Answer answer;
  for (;;) {
    bool active = true;
    for (auto& [name, watch] : watched) active = watch.is_active(name, control_->state(name)) && active;
    const auto now = std::chrono::steady_clock::now();
    if (!active) active_since.reset();
    if (active && !active_since) active_since = now;
    if (active && ask) {
      answer = http::probe(options_->health_url, probe_timeout);
      if (answer.is_success()) ask = false;
    }
    const bool settled = active_since && now - *active_since >= settle;
    if (settled && !ask && database_answers()) return;
    if (now - began > options_->health_timeout + settle) {
      if (settled && ask && !answered_before_) {
        reporter_->warning(options_->health_url + " does not answer (" +
                           (answer.status != 0 ? "status " + std::to_string(answer.status) : answer.error) +
                           "), as it did not before the restore");
        ask = false;
        continue;
      }
      throw Error(ExitCode::service,
                  ask ? options_->health_url + " did not answer within " +
                            std::to_string(options_->health_timeout.count()) + " s: " +
                            (answer.status != 0 ? "status " + std::to_string(answer.status) : answer.error)
                      : "the service did not come up within " +
                            std::to_string(options_->health_timeout.count()) + " s");
    }
    std::this_thread::sleep_for(look_interval);
  }
}

}  // namespace tmb::restore
