// SPDX-License-Identifier: MIT
// What a file that was read through is, as people and as programs read it.
#pragma once

#include <string>
#include <vector>

#include "report/json.hh"
#include "restore/file_input.hh"

namespace tmb::restore {

std::vector<std::string> describe_file(const FileInput& input);
report::Json file_to_json(const FileInput& input);

}  // namespace tmb::restore
