// SPDX-License-Identifier: MIT
#include "service/command.hh"

#include <cstdlib>

#include "base/error.hh"
#include "catch.hh"
#include "service/command_control.hh"
#include "service/hooks.hh"

using namespace tmb;
using namespace tmb::service;
using namespace std::chrono_literals;

namespace {

Command shell(const std::string& text, std::chrono::seconds timeout = 20s) {
  return {{"/bin/sh", "-c", text}, timeout, {}};
}

base::ExitCode code_of(const Hook& hook) {
  try {
    run_hook(hook, {}, {});
    return base::ExitCode::ok;
  } catch (const base::Error& error) {
    return error.code();
  }
}

}  // namespace

TEST_CASE("a command's exit code, output and errors come back apart", "[service][command]") {
  const CommandResult result = run_command(shell("echo out; echo err >&2; exit 7"));
  CHECK(result.exit_code == 7);
  CHECK(result.output == "out\n");
  CHECK(result.errors == "err\n");
  CHECK(failure_of(result, shell("")) == "ended with 7: err");
}

TEST_CASE("no shell reads a command", "[service][command]") {
  const CommandResult result = run_command({{"/bin/echo", "$HOME; exit 1", "*"}, 20s, {}});
  CHECK(result.output == "$HOME; exit 1 *\n");
}

TEST_CASE("a command that is late is ended, with what it started", "[service][command]") {
  const auto began = std::chrono::steady_clock::now();
  const CommandResult result = run_command(shell("sleep 60 & wait", 1s));
  CHECK(result.timed_out);
  CHECK(std::chrono::steady_clock::now() - began < 20s);
  CHECK(failure_of(result, shell("", 1s)) == "did not end within 1 s");
}

TEST_CASE("what a command leaves running is not waited for", "[service][command]") {
  const auto began = std::chrono::steady_clock::now();
  CHECK(run_command(shell("sleep 15 & echo started")).output == "started\n");
  CHECK(std::chrono::steady_clock::now() - began < 10s);
}

TEST_CASE("facts reach a command, passwords do not", "[service][command]") {
  ::setenv("TM_TEST_PASSWORD", "canary", 1);
  Command command = shell("env");
  command.facts = {{"TESLAMATE_HOOK_DATABASE", "a b"}};
  const std::string seen = run_command(command).output;
  ::unsetenv("TM_TEST_PASSWORD");
  CHECK(seen.find("canary") == std::string::npos);
  CHECK(seen.find("TESLAMATE_HOOK_DATABASE=a b\n") != std::string::npos);
  CHECK(seen.find("PATH=") != std::string::npos);
}

TEST_CASE("a program is found on PATH and nowhere else", "[service][command]") {
  CHECK(find_program("sh").ends_with("/sh"));
  CHECK(find_program("/bin/sh") == "/bin/sh");
  CHECK(find_program("no-such-program-anywhere").empty());
  CHECK(find_program("/etc/passwd").empty());
}

TEST_CASE("a hook that fails refuses, one that is not set does nothing", "[service][command]") {
  CHECK(code_of({"before_backup", {"/bin/false"}, 5s}) == base::ExitCode::refused);
  CHECK(code_of({"before_backup", {"/nonexistent"}, 5s}) == base::ExitCode::refused);
  CHECK(code_of({"before_backup", {}, 5s}) == base::ExitCode::ok);
  std::string said;
  run_hook_after({"after_backup", {"/bin/false"}, 5s}, {}, [&](const std::string& why) { said = why; });
  CHECK(said == "the hook after_backup ended with 1");
}

TEST_CASE("without a status command what was asked for is assumed", "[service][command]") {
  CommandControl control({{"/bin/true"}, {"/bin/true"}, {}, 5s});
  CHECK(control.state(commanded_unit).is_wanted());
  CHECK(control.state(commanded_unit).is_assumed);
  CHECK(control.stop(commanded_unit, std::nullopt, {}).was_wanted);
  CHECK(control.state(commanded_unit).is_down());
  CHECK_FALSE(control.state(commanded_unit).is_assumed);
  CHECK(control.start(commanded_unit, std::nullopt).is_wanted());
  CHECK(control.unit_name("whatever") == commanded_unit);
}

TEST_CASE("a status command that says false, or nothing, or fails, says that it does not run",
          "[service][command]") {
  const auto runs = [](const std::vector<std::string>& status) {
    return CommandControl({{"/bin/true"}, {"/bin/true"}, status, 5s}).state(commanded_unit).is_wanted();
  };
  CHECK(runs({"/bin/echo", "4f1a"}));
  CHECK(runs({"/bin/echo", "true"}));
  CHECK_FALSE(runs({"/bin/echo", "false"}));
  CHECK_FALSE(runs({"/bin/true"}));
  CHECK_FALSE(runs({"/bin/sh", "-c", "echo x; exit 1"}));
}

TEST_CASE("a command is shown as it would be typed", "[service][command]") {
  CHECK(command_text({"docker", "stop", "tesla mate", "it's"}) == "docker stop 'tesla mate' 'it'\\''s'");
}
