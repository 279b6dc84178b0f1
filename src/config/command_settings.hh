// SPDX-License-Identifier: MIT
// Commands of the settings file: those that take a unit's place for a TeslaMate that systemd does not run,
// and those that a run calls on its way. Each is a list: a program and its arguments; no shell reads it.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace tmb::config {

using CommandLine = std::vector<std::string>;

// [restore] stop_command, start_command, status_command, command_timeout
struct ServiceCommandSettings {
  CommandLine stop;    // empty: systemd units are stopped
  CommandLine start;   // empty exactly when `stop` is
  CommandLine status;  // empty: what was last asked for is taken for done
  std::chrono::seconds timeout{180};
};

// [hooks]; empty: nothing is called
struct HookSettings {
  CommandLine before_backup;
  CommandLine after_backup;
  CommandLine before_stop;
  CommandLine after_start;
  CommandLine on_failure;
  std::chrono::seconds timeout{600};
};

}  // namespace tmb::config
