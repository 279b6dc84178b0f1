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

// Of a .tmb, whose input is a snapshot.
std::vector<std::string> describe_snapshot_file(const std::string& path, const Input& input);
report::Json snapshot_file_to_json(const std::string& path, const Input& input);

}  // namespace tmb::restore
