// SPDX-License-Identifier: MIT
// Calls src/service from a command line, so that a test inside the machine can see what it does to real
// units: service-probe VERB UNIT… Prints name=value lines; errors as the programs do. Not installed.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <span>
#include <thread>

#include "base/error.hh"
#include "service/inhibitor.hh"
#include "service/notify.hh"
#include "service/stopped_service.hh"
#include "service/systemd_control.hh"

namespace {

using namespace tmb;

volatile std::sig_atomic_t interrupted = 0;

// Turns SIGINT into a stop request, as cli::run_main does. The thread ends with the object returned.
std::jthread stop_on_interrupt(const std::shared_ptr<std::stop_source>& source) {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = 1; };
  sigaction(SIGINT, &action, nullptr);
  return std::jthread([source](const std::stop_token& ended) {
    while (!ended.stop_requested() && interrupted == 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (interrupted != 0) source->request_stop();
  });
}

void print(const service::UnitState& state) {
  std::cout << "load_state=" << state.load_state << "\nactive_state=" << state.active_state
            << "\nsub_state=" << state.sub_state << "\nresult=" << state.result
            << "\nunit_file_state=" << state.unit_file_state << "\nid=" << state.id
            << "\nmain_pid=" << state.main_pid << "\nrestarts=" << state.restarts
            << "\ninvocation_id=" << state.invocation_id << "\nprocesses=" << state.processes.size()
            << "\nheld=" << state.held << "\nwanted=" << state.is_wanted() << "\ndown=" << state.is_down()
            << '\n';
}

std::optional<std::chrono::seconds> limit_from_environment() {
  const char* seconds = std::getenv("PROBE_LIMIT");
  if (seconds == nullptr) return std::nullopt;
  return std::chrono::seconds(std::strtol(seconds, nullptr, 10));
}

// Everything down, then whatever the test types: a line "confirm", "new" or "old", the end, or a kill.
void stopped(service::ServiceControl& control, std::vector<std::string> units, const std::stop_token& stop) {
  service::StopOptions options;
  for (const std::string& unit : units) {
    if (unit.starts_with("keep=")) {
      options.keep_stopped.push_back(unit.substr(5));
    } else {
      options.units.push_back(unit);
    }
  }
  options.stop_limit = limit_from_environment();
  options.warn = [](const std::string& text) { std::cout << "warning=" << text << std::endl; };
  std::vector<service::PriorState> prior = service::check_units(control, options);
  service::StoppedService down(control, std::move(options), std::move(prior), stop);
  std::cout << "down" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "confirm") down.confirm_down();
    if (line == "new") down.start_again(service::Comeback::on_new_data);
    if (line == "old") down.start_again(service::Comeback::on_old_data);
    std::cout << "done " << line << std::endl;
  }
}

void run(const std::string& verb, const std::vector<std::string>& units) {
  const auto source = std::make_shared<std::stop_source>();
  const std::jthread watcher = stop_on_interrupt(source);
  service::SystemdControl control;
  if (verb == "stopped") return stopped(control, units, source->get_token());
  if (verb == "inhibit") {
    const service::Inhibitor inhibitor = service::inhibit_shutdown(units.at(0));
    std::cout << "inhibited=" << bool(inhibitor.lock) << "\nrefusal=" << inhibitor.refusal << std::endl;
    std::string line;
    std::getline(std::cin, line);
    return;
  }
  if (verb == "notify") {
    service::notify_status(units.at(0));
    std::string line;
    std::getline(std::cin, line);
    return;
  }
  for (const std::string& unit : units) {
    if (verb == "state") print(control.state(unit));
    if (verb == "check") print(control.check(unit));
    if (verb == "hold") control.hold(unit);
    if (verb == "release") control.release(unit);
    if (verb == "start") print(control.start(unit, limit_from_environment()));
    if (verb == "stop") {
      const service::StopResult result = control.stop(unit, limit_from_environment(), source->get_token());
      std::cout << "was_wanted=" << result.was_wanted << "\nwarning=" << result.warning << '\n';
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::span<char*> arguments(argv, static_cast<std::size_t>(argc));
  if (arguments.size() < 3) return 2;
  try {
    run(arguments[1], std::vector<std::string>(arguments.begin() + 2, arguments.end()));
    return 0;
  } catch (const base::Error& error) {
    std::cerr << "error[" << static_cast<int>(error.code()) << "]: " << error.message()
              << "\nstate: " << error.state() << "\nhint: " << error.hint() << std::endl;
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    std::cerr << "internal: " << error.what() << std::endl;
    return 1;
  }
}
