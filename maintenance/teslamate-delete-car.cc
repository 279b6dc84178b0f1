// SPDX-License-Identifier: MIT
// teslamate-delete-car: shown first, asked, kept for an undo.
#include "delete_main.hh"

int main(int argc, char** argv) {
  return tmb::maintenance::delete_main(
      argc, argv, tmb::teslamate::Kind::car,
      "Deletes a car with all its drives, charges, positions, states, updates and its own settings; never\n"
      "another car's. What was deleted is kept and comes back with teslamate-undo.",
      "Examples:\n"
      "  teslamate-delete-car --dry-run 2\n"
      "  teslamate-delete-car 2\n");
}
