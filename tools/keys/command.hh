// SPDX-License-Identifier: MIT
// A subcommand of teslamate-keys: its flags, and what runs when it was named. One file for each.
#pragma once

#include <memory>

#include "cli/run_main.hh"

namespace tmb::tools::keys {

class Command {
 public:
  Command() = default;
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;
  virtual ~Command() = default;
  // Adds the subcommand with its flags and returns it.
  virtual CLI::App* add(CLI::App& app) = 0;
  virtual base::ExitCode run(cli::Context& context) = 0;
};

std::unique_ptr<Command> make_init();
std::unique_ptr<Command> make_encrypt();
std::unique_ptr<Command> make_add();
std::unique_ptr<Command> make_list();
std::unique_ptr<Command> make_remove();
std::unique_ptr<Command> make_rotate();
std::unique_ptr<Command> make_finish();
std::unique_ptr<Command> make_recovery_sheet();

}  // namespace tmb::tools::keys
