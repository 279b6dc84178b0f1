// SPDX-License-Identifier: MIT
// What teslamate-verify does with a file that is no repository.
#pragma once

#include <string>

#include "cli/run_main.hh"

namespace tmb::tools {

// Whether the argument names an ordinary file, or a folder that pg_dump wrote.
bool is_dump_argument(const std::string& argument);

// Reads all of it and says what it is. Throws damaged, unsupported, local_io; what was learned is told first.
void verify_file(const std::string& path, cli::Context& context);

}  // namespace tmb::tools
