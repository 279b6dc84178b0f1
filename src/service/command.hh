// SPDX-License-Identifier: MIT
// One command of the settings file run to its end: no shell, no secret in its environment, nothing to read.
// It may leave servers behind in the background; only its own end is waited for.
#pragma once

#include <chrono>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

namespace tmb::service {

struct Command {
  std::vector<std::string> argv;             // argv[0]: a path, or a name to be found on PATH
  std::chrono::seconds timeout{0};           // then SIGTERM, and SIGKILL after 5 s more
  std::map<std::string, std::string> facts;  // put into its environment
};

struct CommandResult {
  int exit_code = 0;  // 128 + signal when it was killed by one
  bool timed_out = false;
  std::string output;  // the first 64 KiB of what it wrote to stdout
  std::string errors;  // of stderr
};

// Throws Error(local_io) when it cannot be started, Error(interrupted) when asked to stop meanwhile.
CommandResult run_command(const Command& command, const std::stop_token& stop = {});

// Why it failed, for people: "ended with 3: last line of what it said"; empty when it did not.
std::string failure_of(const CommandResult& result, const Command& command);

// The path that argv[0] stands for; empty when there is no such program.
std::string find_program(const std::string& name);

}  // namespace tmb::service
