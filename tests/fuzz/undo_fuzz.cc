// SPDX-License-Identifier: MIT
// An undo file, as it is and with pieces that are sealed.
#include "fuzz.hh"
#include "teslamate/undo_file.hh"

using namespace tmb;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static fuzz::ScratchFile file;
  const std::string& path = file.with(fuzz::text_of(data, size));
  // Takes every piece for genuine: what is behind a seal has to be read with the same care.
  const teslamate::UndoSeal open{
      {}, [](std::string_view piece, std::uint64_t, bool) { return std::string(piece); }};
  for (const teslamate::UndoSeal* seal : {static_cast<const teslamate::UndoSeal*>(nullptr), &open}) {
    fuzz::accepted([&] {
      const teslamate::UndoReader reader(path, seal);
      std::size_t sections = 0;
      reader.read([&](std::size_t section, std::string_view line) {
        if (section >= reader.sections().size() || !line.ends_with('\n')) fuzz::fail("a row of nowhere");
        sections = section;
      });
    });
  }
  return 0;
}
