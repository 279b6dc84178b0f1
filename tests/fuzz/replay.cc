// SPDX-License-Identifier: MIT
// In place of libFuzzer in an ordinary build: runs the target over the files of the folders named, each
// whole, cut in half, and with each of its first bytes changed.
#include <filesystem>

#include "base/file.hh"
#include "fuzz.hh"

namespace {

void run(std::string_view bytes) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

}  // namespace

int main(int argc, char** argv) {
  constexpr std::uint64_t most_bytes = 1 << 24;
  constexpr std::size_t most_changed = 100;
  std::size_t files = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      std::string bytes = tmb::base::read_file(entry.path(), most_bytes);
      ++files;
      run(bytes);
      run(std::string_view(bytes).substr(0, bytes.size() / 2));
      for (std::size_t at = 0; at < bytes.size() && at < most_changed; ++at) {
        bytes[at] = static_cast<char>(bytes[at] ^ 1);
        run(bytes);
        bytes[at] = static_cast<char>(bytes[at] ^ 1);
      }
    }
  }
  run({});
  std::printf("%zu files\n", files);
  return files > 0 ? 0 : 1;
}
