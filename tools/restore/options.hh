// SPDX-License-Identifier: MIT
// What teslamate-restore was told, by flags and by the settings.
#pragma once

#include <string>

#include "cli/run_main.hh"
#include "restore/restore.hh"
#include "restore/rows.hh"

namespace tmb::tools {

struct RestoreOptions {
  std::string snapshot;
  bool rollback = false;
  bool abort = false;
  bool drop_kept = false;
  bool allow_incomplete = false;
  bool trust_code = false;
  std::string files_to;
  std::string scope;
  restore::Options restore;
  RowOptions rows;
};

void add_restore_options(CLI::App& app, RestoreOptions& options);
// Of a file: what of it may be loaded.
restore::FileOptions file_options(const RestoreOptions& options);
// What the settings say, where no flag did.
void take_restore_settings(RestoreOptions& options, const cli::Context& context);

}  // namespace tmb::tools
