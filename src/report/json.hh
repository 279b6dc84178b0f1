// SPDX-License-Identifier: MIT
// Machine output: one JSON document on stdout per run. Members are only ever added.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace tmb::report {

using Json = nlohmann::ordered_json;

// Two-space JSON and a newline. Bytes that are not UTF-8 (names in other encodings) are replaced: the
// document is always valid.
std::string to_text(const Json& document);

}  // namespace tmb::report
