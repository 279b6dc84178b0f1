// SPDX-License-Identifier: MIT
// teslamate-close-drive: asks the running TeslaMate to close drives, and looks whether it did.
#include "close_main.hh"

int main(int argc, char** argv) {
  return tmb::maintenance::close_main(argc, argv, tmb::teslamate::Kind::drive,
                                      "Closes drives that were left open, through the running TeslaMate. "
                                      "Says first what will happen: TeslaMate\n"
                                      "deletes a drive with fewer than two positions or less than 10 metres.",
                                      "Examples:\n"
                                      "  teslamate-close-drive --list\n"
                                      "  teslamate-close-drive 9999\n"
                                      "  teslamate-close-drive --open\n");
}
