// SPDX-License-Identifier: MIT
// A file that somebody calls a backup: recognised, unpacked, and if it is one of ours, read.
#include <array>

#include "archive/input.hh"
#include "archive/recognise.hh"
#include "archive/tmb.hh"
#include "fuzz.hh"

using namespace tmb;

namespace {

void read_all(const archive::InputFile& input) {
  constexpr std::size_t enough = std::size_t{4} << 20U;
  std::array<char, 65536> piece{};
  const auto source = input.read();
  for (std::size_t total = 0; total < enough;) {
    const std::size_t got = source->read(piece);
    if (got == 0) break;
    total += got;
  }
}

void read_tmb(const std::string& path) {
  const auto source = archive::open_tmb(path, [](const std::string&) { return base::Secret("x"); });
  static repository::Workspace workspace;
  std::string content;
  repository::for_each_object(source->manifest(),
                              [&](repository::ObjectType type, const repository::ObjectRef& ref) {
                                source->read(type, ref, workspace, content);
                              });
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static fuzz::ScratchFile file;
  const std::string_view bytes = fuzz::text_of(data, size);
  const std::string& path = file.with(bytes);
  static_cast<void>(archive::explain_other(bytes.substr(0, 65536)));
  fuzz::accepted([&] {
    const archive::InputFile input = archive::InputFile::open(path);
    static_cast<void>(input.describe());
    if (input.content() == archive::Content::tar_dump) {
      input.check_tar();
    } else if (input.content() != archive::Content::tmb) {
      read_all(input);
    }
  });
  fuzz::accepted([&] { read_tmb(path); });
  return 0;
}
