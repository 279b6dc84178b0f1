// SPDX-License-Identifier: MIT
// How a dump's text is to be read at some place: what a backslash means, and where a character ends. Private
// to sql/.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace tmb::sql {

// Encodings in whose characters a later byte may look like a backslash or a letter, never like a quote, a
// dollar or a line break.
enum class Wide { none, two_bytes, shift_jis, gb18030 };

struct Spelling {
  // NOLINTNEXTLINE(google-explicit-constructor): most know no more than this
  Spelling(bool standard = true, Wide characters = Wide::none)
      : standard_strings(standard), wide(characters) {}

  bool standard_strings;  // a backslash in '…' is one
  Wide wide;

  // Bytes of the character that begins so.
  std::size_t length_of(unsigned char first, unsigned char second) const {
    if (wide == Wide::none || first < 0x80) return 1;
    if (wide == Wide::shift_jis && first >= 0xA1 && first <= 0xDF) return 1;
    return wide == Wide::gb18030 && second >= '0' && second <= '9' ? 4 : 2;
  }
};

// Of PostgreSQL's name for it in lower case, without - and _. Nothing for one that cannot be read here.
std::optional<Wide> wide_of(std::string_view encoding);

}  // namespace tmb::sql
