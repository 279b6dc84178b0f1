// SPDX-License-Identifier: MIT
// What teslamate-restore does with --drive, --charge, --car, --since, --until and --scope: single rows into
// the live database, with TeslaMate running.
#pragma once

#include <string>
#include <vector>

#include "cli/run_main.hh"
#include "restore/file_input.hh"
#include "restore/restore.hh"

namespace tmb::tools {

struct RowOptions {
  std::vector<std::string> drives;
  std::vector<std::string> charges;
  std::vector<std::string> cars;
  std::string since;
  std::string until;
  bool allow_overlap = false;

  bool any() const {
    return !drives.empty() || !charges.empty() || !cars.empty() || !since.empty() || !until.empty();
  }
};

void add_row_options(CLI::App& app, RowOptions& options);

// `what` is a snapshot or a file, as for a whole restore; `restore` has --dry-run, jobs and tools.
void restore_rows(const RowOptions& options, const std::string& what, const restore::Options& restore,
                  const restore::FileOptions& file, cli::Context& context);

// --scope settings: what a user configured, of a snapshot or a file, into the live database.
void restore_settings(const std::string& what, const restore::Options& restore,
                      const restore::FileOptions& file, cli::Context& context);

}  // namespace tmb::tools
