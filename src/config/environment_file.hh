// SPDX-License-Identifier: MIT
// The text of an EnvironmentFile= as systemd reads it. A pure function: nothing is expanded, nothing
// is run. (systemd.exec(5); the rules were found by feeding files to systemd itself.)
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tmb::config {

using Assignments = std::vector<std::pair<std::string, std::string>>;

// What a comment line that ends in a backslash does with the line below it: swallow it, as systemd did up to
// 253, or nothing.
enum class ContinuedComment { swallows, ends };

// In the order of the file; of several assignments to one name the last one counts. What systemd drops with a
// warning is dropped: names that are no identifiers ("export A" is one name). Throws damaged, as systemd
// refuses the file, for NUL bytes and for what is not UTF-8.
Assignments parse_environment_file(std::string_view text,
                                   ContinuedComment continued = ContinuedComment::ends);

}  // namespace tmb::config
