// SPDX-License-Identifier: MIT
// teslamate-keys: who can open the repository. Each subcommand has a file of its own in keys/.
#include <utility>
#include <vector>

#include "keys/commands.hh"

int main(int argc, char** argv) {
  using namespace tmb;
  namespace keys = tools::keys;
  // In the order of the help text.
  std::vector<std::unique_ptr<tools::Command>> commands;
  commands.push_back(keys::make_init());
  commands.push_back(keys::make_encrypt());
  commands.push_back(keys::make_add());
  commands.push_back(keys::make_list());
  commands.push_back(keys::make_remove());
  commands.push_back(keys::make_recovery_sheet());
  commands.push_back(keys::make_rotate());
  commands.push_back(keys::make_finish());

  cli::ProgramInfo info;
  info.name = "teslamate-keys";
  info.about = "Makes a repository encrypted, and says which passphrases and keys open it.";
  info.epilogue =
      "Examples:\n"
      "  teslamate-keys init -r /mnt/repository --new-key-file /etc/teslamate-backup/repository-key\n"
      "  teslamate-keys add\n"
      "  teslamate-keys recovery-sheet sheet.html\n"
      "Exit codes: 0 done, 10 no repository, 12 wrong key, 13 damaged, 21 no such slot, 22 refused.\n";
  info.repository = true;
  info.state = true;
  info.unsaid_state = "nothing was changed";
  return tools::run_command(argc, argv, info, commands);
}
