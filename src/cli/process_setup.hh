// SPDX-License-Identifier: MIT
// What a process should be before it does anything: descriptors 0 to 2 open, files private, no core dump, no
// SIGPIPE. Private to cli/.
#pragma once

namespace tmb::cli {

// Descriptors that are closed would be taken by the next file opened, and messages written into it. In their
// place /dev/null is opened, for the other direction, so that using them still fails. Never throws.
void set_up_process() noexcept;

}  // namespace tmb::cli
