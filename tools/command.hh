// SPDX-License-Identifier: MIT
// A program with subcommands: each has its flags and what runs when it was named, in a file of its own.
#pragma once

#include <memory>
#include <vector>

#include "cli/run_main.hh"

namespace tmb::tools {

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

// main() of a program that wants one of `commands`, which stand in the order of the help text.
inline int run_command(int argc, char** argv, const cli::ProgramInfo& info,
                       const std::vector<std::unique_ptr<Command>>& commands) {
  Command* chosen = nullptr;
  return cli::run_main(
      argc, argv, info,
      [&](CLI::App& app) {
        app.require_subcommand(1);
        for (const auto& command : commands)
          command->add(app)->callback([&chosen, one = command.get()] { chosen = one; });
      },
      [&](cli::Context& context) { return chosen->run(context); });
}

}  // namespace tmb::tools
