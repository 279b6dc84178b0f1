// SPDX-License-Identifier: MIT
// What a drill rehearses: a snapshot of the repository, or a file.
#pragma once

#include <memory>
#include <string>

#include "cli/run_main.hh"
#include "restore/input.hh"

namespace tmb::tools {

struct DrillInput {
  std::unique_ptr<repository::BackupSource> source;  // null for a dump
  std::unique_ptr<restore::Input> input;
};

// Throws as opening a repository or a file does. `trust_code`: a dump's functions and triggers are loaded
// too.
DrillInput open_drill_input(const std::string& name, bool trust_code, const cli::Context& context);

// The manifest, before it is loaded: a dump is read through for it, the first of two times.
repository::Manifest look_into(const std::string& name, const DrillInput& opened,
                               const cli::Context& context);

}  // namespace tmb::tools
