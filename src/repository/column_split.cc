// SPDX-License-Identifier: MIT
#include "repository/column_split.hh"

#include <array>
#include <bit>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "repository/column_cells.hh"

namespace tmb::repository {

namespace {

struct Bits {
  std::uint64_t separators, newlines;  // bit i for byte i
};

#ifdef __SSE2__
Bits look_at_64_bytes(const char* text) {
  const __m128i newline = _mm_set1_epi8('\n');
  const __m128i tab = _mm_set1_epi8('\t');
  Bits bits{0, 0};
  for (unsigned i = 0; i < 64; i += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + i));
    const __m128i newlines = _mm_cmpeq_epi8(bytes, newline);
    const __m128i either = _mm_or_si128(newlines, _mm_cmpeq_epi8(bytes, tab));
    bits.newlines |= static_cast<std::uint64_t>(static_cast<unsigned>(_mm_movemask_epi8(newlines))) << i;
    bits.separators |= static_cast<std::uint64_t>(static_cast<unsigned>(_mm_movemask_epi8(either))) << i;
  }
  return bits;
}
#else
// One bit for each of the 8 bytes of `x` that is `byte`.
std::uint64_t bytes_equal(std::uint64_t x, unsigned char byte) {
  constexpr std::uint64_t low = 0x7F7F7F7F7F7F7F7F;
  x ^= 0x0101010101010101 * byte;
  const std::uint64_t equal = ~(((x & low) + low) | x | low) >> 7U;  // 1 in each byte that is zero
  return (equal * 0x0102040810204080) >> 56U;
}

Bits look_at_64_bytes(const char* text) {
  Bits bits{0, 0};
  for (unsigned i = 0; i < 64; i += 8) {
    const std::uint64_t x = cells::load8(text + i);
    const std::uint64_t newlines = bytes_equal(x, '\n');
    bits.newlines |= newlines << i;
    bits.separators |= (newlines | bytes_equal(x, '\t')) << i;
  }
  return bits;
}
#endif

}  // namespace

std::size_t SeparatorList::find(const char* text, std::size_t length) {
  ends_.clear();
  *ends_.grow(1) = static_cast<std::uint32_t>(-1);
  std::size_t newlines = 0;
  for (std::size_t at = 0; at < length; at += 64) {
    Bits bits = look_at_64_bytes(text + at);
    if (length - at < 64) {
      const std::uint64_t inside = (std::uint64_t{1} << (length - at)) - 1;
      bits.separators &= inside;
      bits.newlines &= inside;
    }
    for (std::uint64_t left = bits.newlines; left != 0; left &= left - 1) ++newlines;
    std::uint32_t* const first = ends_.grow(64);
    std::uint32_t* end = first;
    for (std::uint64_t left = bits.separators; left != 0; left &= left - 1) {
      *end++ = static_cast<std::uint32_t>(at) + static_cast<std::uint32_t>(std::countr_zero(left));
    }
    ends_.shrink(64 - static_cast<std::size_t>(end - first));
  }
  return newlines;
}

}  // namespace tmb::repository
