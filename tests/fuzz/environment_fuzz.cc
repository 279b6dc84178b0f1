// SPDX-License-Identifier: MIT
// The reader of environment files.
#include "config/environment_file.hh"
#include "fuzz.hh"

using namespace tmb;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  for (const auto comment : {config::ContinuedComment::swallows, config::ContinuedComment::ends}) {
    fuzz::accepted([&] {
      for (const auto& [name, value] : config::parse_environment_file(text, comment)) {
        const bool sane = !name.empty() && name.find_first_of("= \n\t\r\"'\\$") == std::string::npos;
        if (!sane || value.find('\0') != std::string::npos) fuzz::fail("a variable that no process can have");
      }
    });
  }
  return 0;
}
