// SPDX-License-Identifier: MIT
#include "service/notify.hh"

#include <systemd/sd-daemon.h>

#include <string>

#include "base/error.hh"

namespace tmb::service {

void notify_status(std::string_view text) {
  // printable: a line break in the text would start another assignment.
  const std::string message = "STATUS=" + base::printable(text);
  sd_notify(0, message.c_str());
}

}  // namespace tmb::service
