// SPDX-License-Identifier: MIT
// The chunk codec `columns`: COPY TEXT of one chunk to a column-by-column form that one fast zstd frame
// makes small, and back to the same bytes. It knows nothing of table definitions: what a column holds is
// read from its cells. It neither compresses nor checks authenticity; object_store does.
//
// The encoded form, version 1. Integers are little-endian; i64 is two's complement.
//
//   chunk   u8 version = 1, u32 columns, u32 rows, then one `column` after another, then the end
//   column  u8 kind       0 text, 1 dictionary, 2 decimal, 3 trimmed decimal, 4 timestamp,
//                         5 timestamp ending in "+00", 6 date
//           u8 scale      digits after the dot: 0 to 18 for kinds 2 and 3, 0 to 6 for 4 and 5, else 0
//           u8 order      0 to 2, see numbers
//           u8 width      number of planes, 0 to 8
//           u32 map       which map: 0 all N, 1 all NULL, 2 all T; 3 + m is the m-th stored map (from 0)
//           u32 entries   number of dictionary entries, 0 to 255; 0 unless kind is 1
//           u32 length    bytes of text
//           i64 base
//           i64 step
//           [map]         `rows` bytes, only where `map` is 3 + the number of maps stored before it
//           text          `length` bytes
//           planes        `width` times: u8 0 and one byte that all numbers have here, or
//                         u8 1 and one byte for each number
//
// A map says for each row where its cell comes from: byte 0 (N) the next number of this column, 1 the
// NULL `\N`, 2 (T) the next text. `text` is first the dictionary entries, then the texts; each is
// followed by the column's separator: a newline for the last column, a tab for every other. A separator
// cannot occur inside, because COPY writes it as an escape.
//
// Numbers: one for each N of the map. Plane p holds bits 8p to 8p+7 of the numbers u. Each u stands for
// the signed z = u even ? u/2 : -(u+1)/2, and with v and s starting as base and step, modulo 2^64:
//   order 0  number = base + z
//   order 1  v += s + z, number = v
//   order 2  s += z, v += s, number = v
// A number becomes the text of its cell thus:
//   dictionary    the entry of that index
//   decimal       the number times 10^-scale with exactly `scale` digits after the dot; no dot for scale 0
//   trimmed       the same without the trailing zeros after the dot, nor the dot if none is left
//   timestamp     number times 10^-scale seconds since 1970-01-01 00:00:00 of the proleptic Gregorian
//                 calendar as "YYYY-MM-DD HH:MM:SS", and the fraction as in a trimmed decimal; 0001 to 9999
//   date          days since 1970-01-01 as "YYYY-MM-DD"
// The COPY text is, row after row, each column's cell and its separator.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace tmb::repository {

// Both classes keep their scratch space from chunk to chunk; one object serves one thread.
class ColumnEncoder {
 public:
  ColumnEncoder();
  ~ColumnEncoder();
  ColumnEncoder(ColumnEncoder&&) noexcept;
  ColumnEncoder& operator=(ColumnEncoder&&) noexcept;

  // Replaces `out` by the encoding of `rows`. False, with `out` in no particular state, when `rows` is
  // not rectangular COPY text or larger than 64 MiB: then it has to be stored as it is.
  bool encode(std::string_view rows, std::string& out);

  // Ascending lengths of `out` at which to end a zstd block (ZSTD_e_flush): each of the pieces between
  // has statistics of its own, which makes the frame about 4 % smaller. Not needed for decoding.
  std::span<const std::size_t> cuts() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

class ColumnDecoder {
 public:
  ColumnDecoder();
  ~ColumnDecoder();
  ColumnDecoder(ColumnDecoder&&) noexcept;
  ColumnDecoder& operator=(ColumnDecoder&&) noexcept;

  // Replaces `out` by the decoded text, which is `plain_length` bytes long. Throws base::Error when
  // `encoded` says anything else (damaged) or is of a version that is not known here (unsupported); `out`
  // is then in no particular state. Allocates plain_length and at most 16 MiB besides, whatever `encoded`
  // says; next to nothing besides for real chunks. Quickest when `out` still has an earlier chunk's size.
  // That the text is the one that was encoded is for the caller to check: a hash of it is the object's id.
  void decode(std::string_view encoded, std::size_t plain_length, std::string& out);

  // Whether decode() would make `plain` of it, without making it. Throws as decode() does.
  bool decodes_to(std::string_view encoded, std::string_view plain);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tmb::repository
