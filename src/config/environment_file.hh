// SPDX-License-Identifier: MIT
// The text of an EnvironmentFile= as systemd 253 and newer reads it. A pure function: nothing is expanded, nothing
// is run. (systemd.exec(5); the rules were found by feeding files to systemd itself.)
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tmb::config {

using Assignments = std::vector<std::pair<std::string, std::string>>;

// In the order of the file; of assignments to one name the last stands for all, where that one stood first.
// Lines that systemd would drop are dropped. Throws damaged for NUL bytes.
Assignments parse_environment_file(std::string_view text);

}  // namespace tmb::config
