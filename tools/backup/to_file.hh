// SPDX-License-Identifier: MIT
// teslamate-backup FILE: the database in one file, without a snapshot in the repository.
#pragma once

#include <string>

#include "backup/backup.hh"
#include "cli/run_main.hh"
#include "transfer/output.hh"

namespace tmb::tools {

struct FileTarget {
  transfer::Destination destination;
  std::string format;
  bool wanted() const { return !destination.file.empty(); }
};

// A .tmb is of the family of the repository that is configured, if there is one: encrypted as it is.
void back_up_to_file(const FileTarget& target, const backup::Options& options, cli::Context& context);

}  // namespace tmb::tools
