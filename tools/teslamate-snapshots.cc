// SPDX-License-Identifier: MIT
// teslamate-snapshots: what is in the repository. Each subcommand has a file of its own in snapshots/.
#include <utility>
#include <vector>

#include "snapshots/diff.hh"
#include "snapshots/export.hh"
#include "snapshots/forget.hh"
#include "snapshots/import.hh"
#include "snapshots/list.hh"
#include "snapshots/prune.hh"
#include "snapshots/show.hh"
#include "snapshots/tag.hh"

int main(int argc, char** argv) {
  using namespace tmb;
  namespace snapshots = tools::snapshots;
  // In the order of the help text.
  std::vector<std::unique_ptr<snapshots::Command>> commands;
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
  snapshots::Command* chosen = nullptr;
  return cli::run_main(
      argc, argv, info,
      [&](CLI::App& app) {
        app.require_subcommand(1);
        for (const auto& command : commands)
          command->add(app)->callback([&chosen, one = command.get()] { chosen = one; });
      },
      [&](cli::Context& context) { return chosen->run(context); });
}
