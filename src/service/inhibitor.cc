// SPDX-License-Identifier: MIT
#include "service/inhibitor.hh"

#include <fcntl.h>
#include <systemd/sd-bus.h>

#include <cerrno>
#include <cstring>

#include "base/error.hh"
#include "service/bus.hh"

namespace tmb::service {

Inhibitor inhibit_shutdown(const std::string& why) {
  Inhibitor inhibitor;
  sd_bus* opened = nullptr;
  const int connected = sd_bus_open_system(&opened);
  if (connected < 0) {
    inhibitor.refusal = std::string("no system D-Bus: ") + std::strerror(-connected);
    return inhibitor;
  }
  const BusHandle bus(opened);
  sd_bus_error error{};
  sd_bus_message* answered = nullptr;
  const int called = sd_bus_call_method(bus.get(), "org.freedesktop.login1", "/org/freedesktop/login1",
                                        "org.freedesktop.login1.Manager", "Inhibit", &error, &answered,
                                        "ssss", "shutdown:sleep", "teslamate-backup", why.c_str(), "block");
  if (called < 0) {
    inhibitor.refusal = base::printable(error.message != nullptr ? error.message : std::strerror(-called));
    sd_bus_error_free(&error);
    return inhibitor;
  }
  const Message reply(answered);
  int borrowed = -1;  // belongs to the message
  if (sd_bus_message_read_basic(reply.get(), SD_BUS_TYPE_UNIX_FD, &borrowed) >= 0) {
    inhibitor.lock = base::UniqueFd(::fcntl(borrowed, F_DUPFD_CLOEXEC, 3));
  }
  if (!inhibitor.lock) inhibitor.refusal = "logind gave no descriptor";
  return inhibitor;
}

}  // namespace tmb::service
