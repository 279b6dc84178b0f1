// SPDX-License-Identifier: MIT
// teslamate-delete-drive: shown first, asked, kept for an undo.
#include "delete_main.hh"

int main(int argc, char** argv) {
  return tmb::maintenance::delete_main(
      argc, argv, tmb::teslamate::Kind::drive,
      "Deletes drives after showing what goes. What was deleted is kept and comes back with teslamate-undo.",
      "Examples:\n"
      "  teslamate-delete-drive 9999\n"
      "  teslamate-delete-drive --positions delete --yes 9998 9999\n");
}
