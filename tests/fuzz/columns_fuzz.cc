// SPDX-License-Identifier: MIT
// The decoder of the columns codec: three bytes of length, then encoded rows; and the encoder: what it takes
// comes back to the byte.
#include "fuzz.hh"
#include "repository/columns.hh"

using namespace tmb;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  static repository::ColumnDecoder decoder;
  static repository::ColumnEncoder encoder;
  const std::string_view rest = fuzz::text_of(data + 3, size - 3);
  const std::size_t length =
      data[0] | static_cast<std::size_t>(data[1]) << 8U | static_cast<std::size_t>(data[2] & 15U) << 16U;
  std::string decoded;
  fuzz::accepted([&] { decoder.decode(rest, length, decoded); });
  std::string encoded;
  if (!encoder.encode(rest, encoded)) return 0;
  decoder.decode(encoded, rest.size(), decoded);
  if (decoded != rest) fuzz::fail("decoded to other rows");
  if (!decoder.decodes_to(encoded, rest)) fuzz::fail("does not decode to its own rows");
  return 0;
}
