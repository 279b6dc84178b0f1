// SPDX-License-Identifier: MIT
#pragma once

#include "snapshots/command.hh"

namespace tmb::tools::snapshots {

std::unique_ptr<Command> make_diff();

}  // namespace tmb::tools::snapshots
