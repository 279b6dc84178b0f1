// SPDX-License-Identifier: MIT
#include "restore/units.hh"

#include <map>

#include "base/error.hh"
#include "catch.hh"

using namespace tmb;
using namespace tmb::restore;

namespace {

// systemd in small: what was asked for, in order; units that do as told.
class FakeControl final : public service::ServiceControl {
 public:
  struct Unit {
    bool active = true;
    bool refuses_start = false;
    std::uint32_t restarts_after_start = 0;
  };
  std::map<std::string, Unit> units;
  std::vector<std::string> calls;

  service::UnitState state(const std::string& unit) override {
    service::UnitState out;
    out.load_state = "loaded";
    out.active_state = units[unit].active ? "active" : "inactive";
    out.restarts = units[unit].restarts_after_start;
    out.main_pid = units[unit].active ? 1 : 0;
    out.result = "success";
    return out;
  }
  service::UnitState check(const std::string& unit) override { return state(unit); }
  service::StopResult stop(const std::string& unit, std::optional<std::chrono::seconds>,
                           std::stop_token) override {
    calls.push_back("stop " + unit);
    units[unit].active = false;
    return {true, ""};
  }
  service::UnitState start(const std::string& unit, std::optional<std::chrono::seconds>) override {
    calls.push_back("start " + unit);
    if (units[unit].refuses_start) throw base::Error(base::ExitCode::service, unit + " does not start");
    units[unit].active = true;
    return state(unit);
  }
  void hold(const std::string& unit) override { calls.push_back("hold " + unit); }
  void release(const std::string& unit) override { calls.push_back("release " + unit); }
};

Options quick() {
  Options options;
  options.settle = std::chrono::seconds(0);
  options.health_timeout = std::chrono::seconds(0);
  return options;
}

}  // namespace

TEST_CASE("units are all held before the first stops, and started in reverse, only those that ran") {
  FakeControl control;
  control.units = {{"a", {}}, {"b", {}}, {"c", {.active = false}}};
  const Options options = quick();
  report::SilentReporter reporter;
  Units units(&control, options, reporter);
  std::vector<UnitRecord> records{{"a"}, {"b"}, {"c"}};
  units.look(records);
  units.take_down(records);
  units.confirm_down(records);
  units.bring_up(records, Units::Data::restored);
  CHECK(control.calls == std::vector<std::string>{"hold a", "hold b", "hold c", "stop a", "stop b", "stop c",
                                                  "release a", "release b", "release c", "start b",
                                                  "start a"});
  units.watch([] { return true; });
}

TEST_CASE("a unit kept stopped comes back on the old data alone") {
  for (const auto data : {Units::Data::restored, Units::Data::present}) {
    FakeControl control;
    control.units = {{"a", {}}};
    const Options options = quick();
    report::SilentReporter reporter;
    Units units(&control, options, reporter);
    std::vector<UnitRecord> records{{"a", false, true}};
    units.look(records);
    units.take_down(records);
    units.bring_up(records, data);
    CHECK(control.units["a"].active == (data == Units::Data::present));
  }
}

TEST_CASE("a unit that does not start does not keep the others down") {
  FakeControl control;
  control.units = {{"a", {}}, {"b", {.refuses_start = true}}};
  const Options options = quick();
  report::SilentReporter reporter;
  Units units(&control, options, reporter);
  std::vector<UnitRecord> records{{"a"}, {"b"}};
  units.look(records);
  units.take_down(records);
  CHECK_THROWS_AS(units.bring_up(records, Units::Data::restored), base::Error);
  CHECK(control.units["a"].active);
}

TEST_CASE("a unit that came back while it was to be down is found") {
  FakeControl control;
  control.units = {{"a", {}}};
  const Options options = quick();
  report::SilentReporter reporter;
  Units units(&control, options, reporter);
  std::vector<UnitRecord> records{{"a"}};
  units.look(records);
  units.take_down(records);
  control.units["a"].active = true;
  CHECK_THROWS_AS(units.confirm_down(records), base::Error);
}

TEST_CASE("a unit that restarted after its start, or ended, is not healthy") {
  for (const bool restarts : {true, false}) {
    FakeControl control;
    control.units = {{"a", {}}};
    const Options options = quick();
    report::SilentReporter reporter;
    Units units(&control, options, reporter);
    std::vector<UnitRecord> records{{"a"}};
    units.look(records);
    units.take_down(records);
    units.bring_up(records, Units::Data::restored);
    if (restarts) {
      control.units["a"].restarts_after_start = 1;
    } else {
      control.units["a"].active = false;
    }
    CHECK_THROWS_AS(units.watch([] { return true; }), base::Error);
  }
}

TEST_CASE("a database that does not answer is not healthy") {
  FakeControl control;
  const Options options = quick();
  report::SilentReporter reporter;
  Units units(&control, options, reporter);
  CHECK_THROWS_AS(units.watch([] { return false; }), base::Error);
}
