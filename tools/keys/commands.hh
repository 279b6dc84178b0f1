// SPDX-License-Identifier: MIT
// The subcommands of teslamate-keys. One file for each.
#pragma once

#include "command.hh"

namespace tmb::tools::keys {

std::unique_ptr<Command> make_init();
std::unique_ptr<Command> make_encrypt();
std::unique_ptr<Command> make_add();
std::unique_ptr<Command> make_list();
std::unique_ptr<Command> make_remove();
std::unique_ptr<Command> make_recovery_sheet();
std::unique_ptr<Command> make_rotate();
std::unique_ptr<Command> make_finish();

}  // namespace tmb::tools::keys
