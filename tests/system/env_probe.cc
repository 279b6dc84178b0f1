// SPDX-License-Identifier: MIT
// Our reading of environment files on a command line, for env_file_test.py: env-probe FILE… prints one line
// of JSON for each, {"NAME": "bytes as hexadecimal digits"} or null where the file is refused.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <span>

#include "base/error.hh"
#include "config/environment_file.hh"

namespace {

std::string to_hex(const std::string& bytes) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += digits[static_cast<unsigned char>(c) >> 4U];
    out += digits[static_cast<unsigned char>(c) & 15U];
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  for (const char* path : std::span(argv, static_cast<std::size_t>(argc)).subspan(1)) {
    std::ifstream file(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    nlohmann::json result = nlohmann::json::object();
    try {
      for (const auto& [name, value] : tmb::config::parse_environment_file(text))
        result[name] = to_hex(value);
    } catch (const tmb::base::Error&) {
      result = nullptr;
    }
    std::printf("%s\n", result.dump().c_str());
  }
}
