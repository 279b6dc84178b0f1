// SPDX-License-Identifier: MIT
// What can still be read of a settings file that has a mistake in it: whom to tell of that.
#pragma once

#include <optional>
#include <string_view>

#include "config/settings.hh"

namespace tmb::config {

// [notify] of the file that load() reads; what cannot be understood is left out. Throws local_io when it
// cannot be read, and refused as load() does.
NotifySettings load_notify(const std::optional<base::Path>& config_file, const Environment& environment);

// The same of its text.
NotifySettings notify_of_broken(std::string_view text);

}  // namespace tmb::config
