// SPDX-License-Identifier: MIT
// The line that `systemctl status` shows while one of our programs runs as a unit.
#pragma once

#include <string_view>

namespace tmb::service {

// STATUS=text. Does nothing without NOTIFY_SOCKET (a oneshot unit needs NotifyAccess=main); never fails.
void notify_status(std::string_view text);

}  // namespace tmb::service
