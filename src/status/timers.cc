// SPDX-License-Identifier: MIT
#include "status/timers.hh"

#include <algorithm>
#include <array>

#include "base/error.hh"
#include "base/exit_code.hh"
#include "status/words.hh"

namespace tmb::status {

using service::TimerState;

namespace {

constexpr std::array<const char*, 3> scheduled{"backup", "verify", "drill"};

// "teslamate-backup.timer" to "backup"
std::string short_name(const std::string& unit) {
  const std::size_t begin = unit.find('-') + 1;
  return unit.substr(begin, unit.rfind('.') - begin);
}

class Judge {
 public:
  explicit Judge(base::Time now) : now_(now) {}

  void look_at(const TimerState& one) {
    if (!one.timer.empty()) look_at_timer(one);
    look_at_service(one);
  }

  Check check() {
    Check out{"timers", worst_, "", ""};
    for (const std::string& text : worst_ == Level::good ? next_ : wrong_)
      out.text += (out.text.empty() ? "" : ", ") + text;
    if (out.text.empty()) out.text = "systemd runs none of ours";
    for (const std::string& command : mend_) out.mend += (out.mend.empty() ? "" : "; ") + command;
    return out;
  }

 private:
  void say(Level level, std::string text, std::string mend) {
    worst_ = std::max(worst_, level);
    wrong_.push_back(std::move(text));
    mend_.push_back(std::move(mend));
  }

  // Without the timer of the backup there will be none; the others can wait for a morning.
  static Level level_of(const TimerState& one) {
    return short_name(one.service) == "backup" ? Level::critical : Level::warning;
  }

  void look_at_timer(const TimerState& one) {
    if (one.load_state == "masked") {
      say(level_of(one), one.timer + " is masked",
          "systemctl unmask " + one.timer + " && systemctl enable --now " + one.timer);
    } else if (one.load_state == "not-found" || (one.active_state != "active" && one.condition_failed)) {
      return;
    } else if (one.load_state != "loaded") {
      say(level_of(one), one.timer + " cannot be loaded (" + base::printable(one.load_state) + ")",
          "systemctl status " + one.timer);
    } else if (one.active_state != "active") {
      say(level_of(one),
          one.timer + " is not running" + (one.unit_file_state == "disabled" ? " and disabled" : ""),
          "systemctl enable --now " + one.timer);
    } else if (one.unit_file_state == "disabled") {
      say(Level::warning, one.timer + " runs, but is disabled: not after the next boot",
          "systemctl enable " + one.timer);
    } else if (one.next && *one.next > now_) {
      next_.push_back(short_name(one.timer) + " in " +
                      age_text(std::chrono::duration_cast<std::chrono::seconds>(*one.next - now_)));
    } else {
      next_.push_back(short_name(one.timer) +
                      (one.service_active_state == "activating" ? " runs now" : " is due"));
    }
  }

  void look_at_service(const TimerState& one) {
    const bool ran_twice =
        one.service_result == "exit-code" && one.service_exit == static_cast<int>(base::ExitCode::locked);
    if (one.service_active_state != "failed" || ran_twice) return;
    say(level_of(one), one.service + " failed (" + base::printable(one.service_result) + ")",
        "journalctl -u " + one.service + " -n 50, then systemctl start " + one.service);
  }

  base::Time now_;
  Level worst_ = Level::good;
  std::vector<std::string> next_;
  std::vector<std::string> wrong_;
  std::vector<std::string> mend_;
};

}  // namespace

std::optional<std::vector<TimerState>> read_our_timers() {
  std::vector<service::TimerPair> pairs;
  for (const std::string name : scheduled)
    pairs.push_back({"teslamate-" + name + ".timer", "teslamate-" + name + ".service"});
  pairs.push_back({"", "teslamate-prune.service"});
  return service::read_timers(pairs);
}

Check check_timers(const std::vector<TimerState>& timers, const config::GoalSettings& goals, base::Time now) {
  Judge judge(now);
  for (const TimerState& one : timers) {
    const std::string name = short_name(one.service);
    const bool expected = name == "verify"  ? goals.verify_every.count() > 0
                          : name == "drill" ? goals.drill_every.count() > 0
                                            : true;
    if (expected) judge.look_at(one);
  }
  return judge.check();
}

}  // namespace tmb::status
