// SPDX-License-Identifier: MIT
// A manifest without its closing brace. What is taken comes back when it is written and read again.
#include "fuzz.hh"
#include "repository/manifest.hh"

using namespace tmb;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string file = fuzz::with_checksum(fuzz::text_of(data, size));
  repository::Manifest manifest;
  if (!fuzz::accepted([&] { manifest = repository::manifest_from_file(file); })) return 0;
  const std::string again = repository::to_file(manifest);
  if (repository::to_file(repository::manifest_from_file(again)) != again)
    fuzz::fail("written otherwise than read");
  return 0;
}
