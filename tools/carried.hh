// SPDX-License-Identifier: MIT
// From settings to what a snapshot carries besides the database: files, and TeslaMate's key to compare.
#pragma once

#include "backup/backup.hh"
#include "cli/run_main.hh"
#include "config/settings.hh"

namespace tmb::tools {

// TeslaMate's own environment file goes into every encrypted repository, unless the settings say no.
inline files::Wanted wanted_files(const config::Settings& settings, const config::Environment& environment,
                                  bool encrypted) {
  files::Wanted wanted{
      settings.files.paths, settings.files.sqlite, {}, settings.files.exclude, settings.files.max_bytes};
  const base::Path& environment_file = settings.database.environment_file;
  if (encrypted && settings.files.environment_file && !environment_file.empty())
    wanted.copies[environment_file] = config::environment_file_here(settings.database, environment);
  return wanted;
}

// Throws as config::find_encryption_key does.
inline void add_extras(backup::Options& options, const cli::Context& context, bool encrypted) {
  options.encryption_key = config::find_encryption_key(context.settings.database, context.environment);
  options.files = wanted_files(context.settings, context.environment, encrypted);
}

}  // namespace tmb::tools
