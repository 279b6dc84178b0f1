// SPDX-License-Identifier: MIT
#include "service/stopped_service.hh"

#include <map>
#include <set>

#include "base/error.hh"
#include "catch.hh"

namespace {

using namespace tmb;
using service::Comeback;

// Units in memory; writes down what was asked of it.
class FakeControl final : public service::ServiceControl {
 public:
  std::map<std::string, bool> running;
  std::set<std::string> held;
  std::set<std::string> cannot_stop;
  std::set<std::string> cannot_start;
  std::vector<std::string> calls;

  service::UnitState state(const std::string& unit) override {
    service::UnitState seen;
    seen.id = unit;
    seen.active_state = running.at(unit) ? "active" : "inactive";
    seen.held = held.contains(unit);
    return seen;
  }
  service::UnitState check(const std::string& unit) override { return state(unit); }
  service::StopResult stop(const std::string& unit, std::optional<std::chrono::seconds> /*limit*/,
                           std::stop_token /*stop*/) override {
    calls.push_back("stop " + unit);
    if (cannot_stop.contains(unit)) throw base::Error(base::ExitCode::service, unit + " does not stop");
    const bool was = running.at(unit);
    running.at(unit) = false;
    return {was, ""};
  }
  service::UnitState start(const std::string& unit, std::optional<std::chrono::seconds> /*limit*/) override {
    calls.push_back("start " + unit);
    if (held.contains(unit) || cannot_start.contains(unit)) {
      throw base::Error(base::ExitCode::service, unit + " does not start");
    }
    running.at(unit) = true;
    return state(unit);
  }
  void hold(const std::string& unit) override {
    calls.push_back("hold " + unit);
    held.insert(unit);
  }
  void release(const std::string& unit) override {
    calls.push_back("release " + unit);
    held.erase(unit);
  }
};

FakeControl two_and_an_idle_one() {
  FakeControl control;
  control.running = {{"a.service", true}, {"b.service", true}, {"idle.service", false}};
  return control;
}

service::StopOptions options_for(std::vector<std::string> units) {
  service::StopOptions options;
  options.units = std::move(units);
  return options;
}

}  // namespace

TEST_CASE("everything is held before the first stop, and released before the first start", "[service]") {
  FakeControl control = two_and_an_idle_one();
  service::StopOptions options = options_for({"a", "b", "idle"});
  const auto prior = service::check_units(control, options);
  REQUIRE(control.calls.empty());
  { const service::StoppedService down(control, options, prior, {}); }
  CHECK(control.calls == std::vector<std::string>{
                             "hold a.service", "hold b.service", "hold idle.service", "stop a.service",
                             "stop b.service", "stop idle.service", "release a.service", "release b.service",
                             "release idle.service", "start b.service", "start a.service"});
}

TEST_CASE("a unit that cannot be stopped brings the others back and says so", "[service]") {
  FakeControl control = two_and_an_idle_one();
  control.cannot_stop = {"b.service"};
  service::StopOptions options = options_for({"a", "b"});
  const auto prior = service::check_units(control, options);
  try {
    const service::StoppedService down(control, options, prior, {});
    FAIL("it was made");
  } catch (const base::Error& error) {
    CHECK(error.code() == base::ExitCode::service);
    CHECK(error.state() == "nothing was changed; the units are as they were before");
  }
  CHECK(control.running.at("a.service"));
  CHECK(control.held.empty());
}

TEST_CASE("a unit that does not come back does not keep the next one from starting", "[service]") {
  FakeControl control = two_and_an_idle_one();
  control.cannot_start = {"b.service"};
  service::StopOptions options = options_for({"a", "b"});
  const auto prior = service::check_units(control, options);
  service::StoppedService down(control, options, prior, {});
  CHECK_THROWS_AS(down.start_again(Comeback::on_new_data), base::Error);
  CHECK(control.running.at("a.service"));
  control.calls.clear();
  down.start_again(Comeback::on_new_data);
  CHECK(control.calls.empty());
}

TEST_CASE("a failure while leaving the scope is a warning", "[service]") {
  FakeControl control = two_and_an_idle_one();
  control.cannot_start = {"a.service"};
  std::vector<std::string> warnings;
  service::StopOptions options = options_for({"a"});
  options.warn = [&](const std::string& text) { warnings.push_back(text); };
  { const service::StoppedService down(control, options, service::check_units(control, options), {}); }
  CHECK(warnings == std::vector<std::string>{"a.service does not start"});
}

TEST_CASE("what is left down stays held", "[service]") {
  FakeControl control = two_and_an_idle_one();
  service::StopOptions options = options_for({"a"});
  {
    service::StoppedService down(control, options, service::check_units(control, options), {});
    down.leave_down();
  }
  CHECK_FALSE(control.running.at("a.service"));
  CHECK(control.held.contains("a.service"));
  { const service::StoppedService adopted({}, control, options, {{"a.service", true, false}}); }
  CHECK(control.running.at("a.service"));
}

TEST_CASE("confirm_down notices a unit that came back", "[service]") {
  FakeControl control = two_and_an_idle_one();
  service::StopOptions options = options_for({"a"});
  service::StoppedService down(control, options, service::check_units(control, options), {});
  down.confirm_down();
  control.running.at("a.service") = true;
  CHECK_THROWS_AS(down.confirm_down(), base::Error);
}

TEST_CASE("units named twice, or kept stopped without being stopped, are refused", "[service]") {
  FakeControl control = two_and_an_idle_one();
  CHECK_THROWS_AS(service::check_units(control, options_for({"a", "a.service"})), base::Error);
  service::StopOptions options = options_for({"a"});
  options.keep_stopped = {"b"};
  CHECK_THROWS_AS(service::check_units(control, options), base::Error);
}

TEST_CASE("only names of services become file names", "[service]") {
  CHECK(service::service_name("teslamate") == "teslamate.service");
  CHECK(service::service_name("docker-teslamate@a\\x2db.service") == "docker-teslamate@a\\x2db.service");
  for (const char* bad :
       {"", "/", "..", "../x", "a/b", "a\nb", "a b", "x.socket", "x.timer", "t@", "@x", ".service", "%n"}) {
    INFO(bad);
    CHECK_THROWS_AS(service::service_name(bad), base::Error);
  }
  CHECK_THROWS_AS(service::service_name(std::string("a\0b", 3)), base::Error);
  CHECK(service::service_name(std::string(247, 'x')).size() == 255);
  CHECK_THROWS_AS(service::service_name(std::string(248, 'x')), base::Error);
}
