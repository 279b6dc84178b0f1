// SPDX-License-Identifier: MIT
// teslamate-delete-charge: shown first, asked, kept for an undo.
#include "delete_main.hh"

int main(int argc, char** argv) {
  return tmb::maintenance::delete_main(
      argc, argv, tmb::teslamate::Kind::charge,
      "Deletes charges and their readings after showing what goes. What was deleted is kept and comes back\n"
      "with teslamate-undo.",
      "Examples:\n"
      "  teslamate-delete-charge 9999\n");
}
