// SPDX-License-Identifier: MIT
// One child process run to its end: clean environment, no shell, output captured with a limit.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace tmb::base {

struct OsUser {
  std::string name;
  unsigned uid = 0;
  unsigned gid = 0;
};

// nullopt when the system has no such account.
std::optional<OsUser> find_os_user(const std::string& name);

struct ProcessOptions {
  std::vector<std::string> argv;         // argv[0] is the program's path
  std::vector<std::string> environment;  // "NAME=value", the whole of it
  std::optional<OsUser> as_user;         // run as this account, with its groups; needs root
  std::stop_token stop;                  // the child gets SIGTERM when asked to stop
};

struct ProcessResult {
  int exit_code = 0;   // 128 + signal when it was killed by one
  std::string output;  // what it wrote to stdout
  std::string errors;  // what it wrote to stderr, its first 64 KiB
};

// stdin is empty. Descriptors without close-on-exec are inherited (base::memory_file). The child dies
// with us. Throws local_io when it cannot be started or prints more than `output_limit` bytes.
ProcessResult run_process(const ProcessOptions& options, std::size_t output_limit);

}  // namespace tmb::base
