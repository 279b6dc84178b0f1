// SPDX-License-Identifier: MIT
// The drop-in that keeps a unit down. It asserts its own absence, so one file is both the rule and its
// switch: there is no moment in which half of it exists, and when it is gone a start succeeds even before
// systemd was told. A runtime mask would not do: it does not cover units in /etc (NixOS).
#pragma once

#include <string>

#include "base/file.hh"

namespace tmb::service {

// `unit` is a result of service_name(). `root` is /run/systemd/system, or a test's own folder.
base::Path hold_file_path(const base::Path& root, const std::string& unit);
std::string hold_file_text(const base::Path& path);

// Throws Error(service). Doing it twice is fine.
void write_hold_file(const base::Path& root, const std::string& unit);
// True when there was one. Also removes the unit's drop-in folder if that is empty now.
bool remove_hold_file(const base::Path& root, const std::string& unit);

}  // namespace tmb::service
