// SPDX-License-Identifier: MIT
// The moment between fork and exec, once for all who start a child. Private to base/.
#pragma once

#include <sys/types.h>

#include "base/fd.hh"
#include "base/process.hh"

namespace tmb::base {

struct SpawnedChild {
  pid_t pid = -1;
  UniqueFd output;  // what it writes to stdout
  UniqueFd errors;  // and to stderr
};

// In a process group of its own. `input` becomes its stdin; empty: nothing to read there. Throws local_io
// when it cannot be started.
SpawnedChild spawn(const ProcessOptions& options, UniqueFd input);

// How it ended: its exit code, or 128 + the signal that killed it. child_lost where nobody can say: never 0.
inline constexpr int child_lost = 255;
int wait_for_child(pid_t pid);
// Whether that would return at once. The child keeps its number, and with it its group, until then.
bool child_has_ended(pid_t pid);

}  // namespace tmb::base
