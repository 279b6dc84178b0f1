// SPDX-License-Identifier: MIT
// teslamate-close-charge: asks the running TeslaMate to close charges, and looks whether it did.
#include "close_main.hh"

int main(int argc, char** argv) {
  return tmb::maintenance::close_main(argc, argv, tmb::teslamate::Kind::charge,
                                      "Closes charges that were left open, through the running TeslaMate. "
                                      "One that is closed would be computed\n"
                                      "anew, with its cost, and needs --recompute.",
                                      "Examples:\n"
                                      "  teslamate-close-charge --list\n"
                                      "  teslamate-close-charge 9999\n"
                                      "  teslamate-close-charge --open\n");
}
