// SPDX-License-Identifier: MIT
// The flags that several programs share, as CLI11 options and as what they change in the settings. Private to
// cli/.
#pragma once

#include <string>
#include <vector>

#include "cli/run_main.hh"

namespace tmb::cli {

struct SharedFlags {
  std::string config;
  bool json = false;
  bool quiet = false;
  bool verbose = false;
  bool yes = false;
  std::string host;
  std::string port;
  std::string user;
  std::string database;
  std::string repository;
  std::string key_file;
  bool accept_repository = false;
  std::string jobs;
  std::string state_dir;
  std::vector<std::string> units;
  bool no_service = false;
};

void add_shared_flags(CLI::App& app, const ProgramInfo& info, SharedFlags& flags);

// Over what file and environment said. Throws usage for a value out of range.
void apply_flags(config::Settings& settings, const SharedFlags& flags);

}  // namespace tmb::cli
