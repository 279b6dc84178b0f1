// SPDX-License-Identifier: MIT
// The file of an object, with its checksum mended, as each type that it may have.
#include <algorithm>

#include "fuzz.hh"
#include "repository/object_store.hh"

using namespace tmb;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static repository::Workspace workspace;
  static const repository::ObjectStore store({});
  std::string file(fuzz::text_of(data, size));
  constexpr std::size_t header = 64;
  // Decoded lengths are bounded by the format; what the fuzzer learns from 64 MiB it learns from one, sooner.
  constexpr std::uint64_t most = 1 << 20;
  if (file.size() >= header) {
    if (file[10] != 0 && static_cast<unsigned char>(file[10]) > most >> 16U) return 0;
    if (file.find_first_not_of('\0', 11) < 16) return 0;
    for (unsigned i = 0; i < 8; ++i) file[16 + i] = static_cast<char>((file.size() - header) >> (8 * i));
    crypto::Sha256 hash;
    hash.update(std::string_view(file).substr(0, 32));
    hash.update(std::string_view(file).substr(header));
    const crypto::Digest digest = hash.finish();
    std::ranges::copy(crypto::as_bytes(digest), file.begin() + 32);
  }
  std::string content;
  for (const auto type :
       {repository::ObjectType::rows, repository::ObjectType::schema, repository::ObjectType::manifest}) {
    fuzz::accepted([&] { store.open_named_file(type, "name", file, workspace, content); });
  }
  return 0;
}
