// SPDX-License-Identifier: MIT
// JSON files that carry their own checksum, so that one changed bit anywhere is found before parsing.
// Private to this folder: it shows nlohmann/json.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace tmb::repository {

using Json = nlohmann::ordered_json;

// JSON of `object`, on one line, with a last member "sha256" over all bytes before that member's line.
std::string seal_json(const Json& object);

// Throws damaged naming `what` unless `bytes` are exactly what seal_json writes; returns the object without
// the checksum.
Json open_sealed_json(std::string_view bytes, std::string_view what);

// A value of a file for a message: what holds others is only named.
std::string shown(const Json& value);

// Runs `read` and turns what nlohmann/json throws (missing member, wrong type) into damaged, naming `what`.
template <class Read>
auto reading_json(std::string_view what, Read&& read);

[[noreturn]] void throw_bad_json(std::string_view what, const std::string& why);

template <class Read>
auto reading_json(std::string_view what, Read&& read) {
  try {
    return read();
  } catch (const Json::exception& error) {
    throw_bad_json(what, error.what());
  }
}

}  // namespace tmb::repository
