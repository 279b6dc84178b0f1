// SPDX-License-Identifier: MIT
// format.json and the files of keys/, one after another in the input with an empty line between them, each
// without its closing brace.
#include "fuzz.hh"
#include "repository/key_slot.hh"

using namespace tmb;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest = fuzz::text_of(data, size);
  std::vector<std::string> files;
  while (files.size() < 5) {
    const std::size_t end = rest.find("\n\n");
    files.push_back(fuzz::with_checksum(rest.substr(0, end)));
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 2);
  }
  fuzz::accepted([&] {
    const repository::Format format = repository::format_from_file(files[0], "format.json");
    std::vector<repository::KeyFile> keys;
    for (std::size_t i = 1; i < files.size(); ++i) {
      // Under the name that the slot says, or nothing but its name would ever be wrong.
      std::string name = "previous-.json";
      const std::size_t slot = files[i].find("\"slot\":\"");
      if (slot != std::string::npos) name = files[i].substr(slot + 8, 8) + ".json";
      keys.push_back({std::move(name), files[i]});
    }
    const repository::ScryptBounds cheap{2, 1U << 10U, 1U << 21U};
    const auto ask = [](const std::string&) { return base::Secret("x"); };
    static_cast<void>(repository::unlock(format, keys, ask, "r", cheap));
  });
  return 0;
}
