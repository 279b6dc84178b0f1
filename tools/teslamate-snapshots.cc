// SPDX-License-Identifier: MIT
// teslamate-snapshots: what is in the repository. Each subcommand has a file of its own in snapshots/.
#include <utility>
#include <vector>

#include "snapshots/commands.hh"

int main(int argc, char** argv) {
  using namespace tmb;
  namespace snapshots = tools::snapshots;
  // In the order of the help text.
  std::vector<std::unique_ptr<tools::Command>> commands;
  commands.push_back(snapshots::make_list());
  commands.push_back(snapshots::make_show());
  commands.push_back(snapshots::make_diff());
  commands.push_back(snapshots::make_export());
  commands.push_back(snapshots::make_import());
  commands.push_back(snapshots::make_tag());
  commands.push_back(snapshots::make_forget());
  commands.push_back(snapshots::make_prune());

  cli::ProgramInfo info;
  info.name = "teslamate-snapshots";
  info.about = "Lists, shows, compares, exports, names and removes the snapshots of a repository.";
  info.epilogue =
      "Exit codes: 0 done, 10 no repository there, 11 in use, 13 a manifest is damaged, 21 no such "
      "snapshot,\n"
      "22 refused: pinned, the last good one, or one from the future.";
  info.database = true;
  info.repository = true;
  info.jobs = true;
  info.state = true;
  info.unsaid_state = "nothing was changed";
  return tools::run_command(argc, argv, info, commands);
}
