// SPDX-License-Identifier: MIT
#pragma once

#include "snapshots/command.hh"

namespace tmb::tools::snapshots {

std::unique_ptr<Command> make_tag();

}  // namespace tmb::tools::snapshots
