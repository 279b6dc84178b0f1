// SPDX-License-Identifier: MIT
// The subcommands of teslamate-snapshots. One file for each.
#pragma once

#include "command.hh"

namespace tmb::tools::snapshots {

std::unique_ptr<Command> make_list();
std::unique_ptr<Command> make_show();
std::unique_ptr<Command> make_diff();
std::unique_ptr<Command> make_export();
std::unique_ptr<Command> make_import();
std::unique_ptr<Command> make_tag();
std::unique_ptr<Command> make_forget();
std::unique_ptr<Command> make_prune();

}  // namespace tmb::tools::snapshots
