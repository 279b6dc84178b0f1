// SPDX-License-Identifier: MIT
#include "service/command_control.hh"

#include <thread>

#include "base/error.hh"

namespace tmb::service {

using base::Error;
using base::ExitCode;
using base::printable;
using std::chrono::steady_clock;
using namespace std::chrono_literals;

namespace {

void run(const std::string& key, const Command& command, const std::stop_token& stop) {
  std::string failure;
  try {
    failure = failure_of(run_command(command, stop), command);
  } catch (const Error& error) {
    if (error.code() == ExitCode::interrupted) throw;
    failure = "failed: " + error.message();
  }
  if (failure.empty()) return;
  throw Error(ExitCode::service, "restore." + key + " " + failure)
      .with_hint("run it yourself: " + command_text(command.argv));
}

void check_program(const std::string& key, const std::vector<std::string>& argv) {
  if (argv.empty() || !find_program(argv.front()).empty()) return;
  throw Error(ExitCode::service, "restore." + key + ": there is no program " + printable(argv.front()))
      .with_hint("mend the settings file, or stop TeslaMate yourself and say --no-service");
}

}  // namespace

std::string command_text(const std::vector<std::string>& argv) {
  std::string out;
  for (const std::string& word : argv) {
    const bool plain = !word.empty() && word.find_first_not_of(
                                            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                            "0123456789_@%+=:,./-") == std::string::npos;
    std::string quoted;
    for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    out += (out.empty() ? "" : " ") + (plain ? word : "'" + quoted + "'");
  }
  return printable(out);
}

bool CommandControl::is_running() const {
  if (commands_.status.empty()) return asked_for_.value_or(true);
  const Command command{commands_.status, commands_.timeout, {}};
  const CommandResult result = run_command(command);
  std::string said = result.output;
  said.erase(said.find_last_not_of(" \t\r\n") + 1);
  return result.exit_code == 0 && !result.timed_out && !said.empty() && said != "false";
}

UnitState CommandControl::state(const std::string& unit) {
  UnitState out;
  out.id = unit;
  out.load_state = "loaded";
  out.result = "success";
  out.is_assumed = commands_.status.empty() && !asked_for_;
  const bool running = is_running();
  out.active_state = running ? "active" : "inactive";
  out.sub_state = running ? "running" : "dead";
  return out;
}

UnitState CommandControl::check(const std::string& unit) {
  check_program("stop_command", commands_.stop);
  check_program("start_command", commands_.start);
  check_program("status_command", commands_.status);
  return state(unit);
}

StopResult CommandControl::stop(const std::string& unit, std::optional<std::chrono::seconds> limit,
                                std::stop_token stop) {
  StopResult out;
  out.was_wanted = state(unit).is_wanted();
  const std::chrono::seconds patience = limit.value_or(commands_.timeout);
  run("stop_command", {commands_.stop, patience, {}}, stop);
  asked_for_ = false;
  wait_until(false, patience, stop);
  return out;
}

UnitState CommandControl::start(const std::string& unit, std::optional<std::chrono::seconds> limit) {
  const std::chrono::seconds patience = limit.value_or(commands_.timeout);
  run("start_command", {commands_.start, patience, {}}, {});
  asked_for_ = true;
  wait_until(true, patience, {});
  return state(unit);
}

void CommandControl::wait_until(bool running, std::chrono::seconds limit, const std::stop_token& stop) const {
  const auto deadline = steady_clock::now() + limit;
  while (is_running() != running) {
    if (stop.stop_requested()) throw Error(ExitCode::interrupted, "interrupted while TeslaMate was stopping");
    if (steady_clock::now() > deadline) {
      throw Error(ExitCode::service, std::string("restore.") + (running ? "start_command" : "stop_command") +
                                         " ended well, but by restore.status_command TeslaMate is " +
                                         (running ? "not running" : "still running") + " " +
                                         std::to_string(limit.count()) + " s later")
          .with_hint("see: " + command_text(commands_.status));
    }
    std::this_thread::sleep_for(100ms);
  }
}

// There is nothing to hold it with; see the header.
void CommandControl::hold(const std::string& /*unit*/) {}
void CommandControl::release(const std::string& /*unit*/) {}

Advice CommandControl::advice(const std::string& /*unit*/) const {
  return {command_text(commands_.stop), command_text(commands_.start), "the log of TeslaMate's container"};
}

std::string CommandControl::unit_name(const std::string& /*unit*/) const { return commanded_unit; }

}  // namespace tmb::service
