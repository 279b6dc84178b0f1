// SPDX-License-Identifier: MIT
// The exit codes of every program: stable, only ever added to, pinned by a test.
#pragma once

#include <span>
#include <string_view>

namespace tmb::base {

enum class ExitCode : int {
  ok = 0,
  internal = 1,
  usage = 2,
  warnings = 3,
  no_repository = 10,
  locked = 11,
  wrong_key = 12,
  damaged = 13,
  unsupported = 14,
  cannot_connect = 15,
  database = 16,
  local_io = 17,
  service = 18,
  rolled_back = 19,
  needs_person = 20,
  not_found = 21,
  refused = 22,
  interrupted = 130,
  terminated = 143,
};

struct ExitCodeInfo {
  ExitCode code;
  std::string_view name;     // as printed in --json and in the man page
  std::string_view meaning;  // one line, for people
};

// Every code once, in ascending order.
std::span<const ExitCodeInfo> exit_codes();

const ExitCodeInfo& describe(ExitCode code);

// Which of two codes the process ends with when both apply: 20, 19, 13, then the one that came first.
ExitCode more_severe(ExitCode first, ExitCode later);

}  // namespace tmb::base
