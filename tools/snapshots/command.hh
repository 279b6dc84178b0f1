// SPDX-License-Identifier: MIT
// A subcommand of teslamate-snapshots: its flags, and what runs when it was named. One file for each.
#pragma once

#include <memory>

#include "cli/run_main.hh"

namespace tmb::tools::snapshots {

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

}  // namespace tmb::tools::snapshots
