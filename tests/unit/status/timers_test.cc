// SPDX-License-Identifier: MIT
#include "status/timers.hh"

#include "catch.hh"

using namespace tmb;
using service::TimerState;
using status::Check;
using status::Level;

namespace {

const base::Time now = base::parse_iso_utc("2026-03-29T00:30:00Z");

TimerState healthy(const std::string& name) {
  TimerState out;
  out.timer = "teslamate-" + name + ".timer";
  out.load_state = "loaded";
  out.active_state = "active";
  out.unit_file_state = "enabled";
  out.next = now + std::chrono::hours(7);
  out.service = "teslamate-" + name + ".service";
  out.service_active_state = "inactive";
  out.service_result = "success";
  return out;
}

Check judge(const std::vector<TimerState>& timers, const config::GoalSettings& goals = {}) {
  return status::check_timers(timers, goals, now);
}

}  // namespace

TEST_CASE("timers that run are told with the time until they go off", "[status]") {
  const Check check = judge({healthy("backup"), healthy("verify")});
  CHECK(check.level == Level::good);
  CHECK(check.text == "backup in 7 h, verify in 7 h");
  CHECK(check.mend.empty());
}

TEST_CASE("a backup that will not be made needs a person, another run a morning", "[status]") {
  for (const char* name : {"backup", "verify", "drill"}) {
    const Level level = std::string(name) == "backup" ? Level::critical : Level::warning;
    TimerState stopped = healthy(name);
    stopped.active_state = "inactive";
    CHECK(judge({stopped}).level == level);
    CHECK(judge({stopped}).mend == "systemctl enable --now teslamate-" + std::string(name) + ".timer");
    TimerState masked = healthy(name);
    masked.load_state = "masked";
    CHECK(judge({masked}).level == level);
    CHECK(judge({masked}).text == "teslamate-" + std::string(name) + ".timer is masked");
    TimerState failed = healthy(name);
    failed.service_active_state = "failed";
    failed.service_result = "timeout";
    CHECK(judge({failed}).level == level);
    TimerState disabled = healthy(name);
    disabled.unit_file_state = "disabled";
    CHECK(judge({disabled}).level == Level::warning);
  }
}

TEST_CASE("all that is wrong with the timers is said, the worst decides", "[status]") {
  TimerState backup = healthy("backup");
  backup.active_state = "inactive";
  TimerState verify = healthy("verify");
  verify.unit_file_state = "disabled";
  const Check check = judge({backup, verify, healthy("drill")});
  CHECK(check.level == Level::critical);
  CHECK(check.text ==
        "teslamate-backup.timer is not running, teslamate-verify.timer runs, but is disabled: not after the "
        "next boot");
  CHECK(check.mend ==
        "systemctl enable --now teslamate-backup.timer; systemctl enable teslamate-verify.timer");
}

TEST_CASE("what is not installed, not wanted or not possible here is no fault", "[status]") {
  TimerState absent;
  absent.timer = "teslamate-backup.timer";
  absent.load_state = "not-found";
  absent.service = "teslamate-backup.service";
  CHECK(judge({absent}).level == Level::good);
  CHECK(judge({absent}).text == "systemd runs none of ours");
  TimerState drill = healthy("drill");
  drill.active_state = "inactive";
  drill.condition_failed = true;
  CHECK(judge({drill}).level == Level::good);
  drill.condition_failed = false;
  config::GoalSettings goals;
  goals.drill_every = std::chrono::seconds(0);
  CHECK(judge({drill}, goals).level == Level::good);
}

TEST_CASE("a run that found another one busy is no failure of its unit", "[status]") {
  TimerState twice = healthy("backup");
  twice.service_active_state = "failed";
  twice.service_result = "exit-code";
  twice.service_exit = 11;
  CHECK(judge({twice}).level == Level::good);
  twice.service_exit = 17;
  CHECK(judge({twice}).level == Level::critical);
}

TEST_CASE("a time that is past or not known is said as due, whatever the clock did", "[status]") {
  TimerState past = healthy("backup");
  past.next = now - std::chrono::hours(24 * 365);
  CHECK(judge({past}).text == "backup is due");
  past.next.reset();
  past.service_active_state = "activating";
  CHECK(judge({past}).text == "backup runs now");
}
