// SPDX-License-Identifier: MIT
// One cell of COPY text to a 64-bit integer and back: decimals, timestamps, dates. A cell is taken only
// in the one spelling that formatting gives back; every other spelling is refused and kept as text.
// Knows nothing of rows, NULLs or the encoded form (columns.hh). Private to the column codec.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tmb::repository::cells {

// Parsing may read, and formatting may write, this many bytes from the start of a cell.
inline constexpr std::size_t slack = 32;
inline constexpr unsigned max_scale = 18;  // 10^18 is the last power of ten in 63 bits
inline constexpr unsigned max_digits = 18;
inline constexpr std::int64_t first_day = -719162;  // 0001-01-01, counted from 1970-01-01
inline constexpr std::int64_t last_day = 2932896;   // 9999-12-31
inline constexpr std::int64_t seconds_per_day = 86400;

inline constexpr std::array<std::uint64_t, 19> power_of_ten = [] {
  std::array<std::uint64_t, 19> powers{1};
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

inline std::uint64_t load8(const char* p) {
  std::uint64_t x = 0;
  std::memcpy(&x, p, 8);
  if constexpr (std::endian::native == std::endian::big) x = __builtin_bswap64(x);
  return x;
}

inline void store8(char* p, std::uint64_t x) {
  if constexpr (std::endian::native == std::endian::big) x = __builtin_bswap64(x);
  std::memcpy(p, &x, 8);
}

inline constexpr std::uint64_t ascii_zeros = 0x3030303030303030;

// `count` (1 to 8) ASCII digits at `p` to their value; reads 8 bytes. False when one is no digit.
inline bool parse_digits(const char* p, unsigned count, std::uint64_t& value) {
  const unsigned unused = 64 - 8 * count;
  // Moves the digits to the end of the word; what is before them becomes the digit 0.
  std::uint64_t x = (load8(p) << unused) | ((ascii_zeros >> 1U) >> (63 - unused));
  x ^= ascii_zeros;
  if ((((x + 0x0606060606060606) | x) & 0xF0F0F0F0F0F0F0F0) != 0) return false;
  x = (x * 10) + (x >> 8U);
  value = (((x & 0x000000FF000000FF) * 0x000F424000000064) +
           (((x >> 16U) & 0x000000FF000000FF) * 0x0000271000000001)) >>
          32U;
  return true;
}

// A value below 10^8 to eight bytes of one digit each (0 to 9), the first digit in the lowest byte.
inline std::uint64_t split_digits(std::uint64_t value) {
  const std::uint64_t high = value / 10000;
  const std::uint64_t fours = high | ((value - high * 10000) << 32U);
  const std::uint64_t hundreds = ((fours * 10486) >> 20U) & 0x0000007F0000007F;
  const std::uint64_t twos = hundreds | ((fours - hundreds * 100) << 16U);
  const std::uint64_t tens = ((twos * 103) >> 10U) & 0x000F000F000F000F;
  return tens | ((twos - tens * 10) << 8U);
}

// The digits of 0 to 999 in the order of their characters, and how many they are in the highest byte.
inline constexpr std::array<std::uint32_t, 1000> short_numbers = [] {
  std::array<std::uint32_t, 1000> numbers{};
  for (std::uint32_t n = 0; n < 1000; ++n) {
    const std::uint32_t length = n < 10 ? 1 : n < 100 ? 2 : 3;
    for (std::uint32_t i = length, rest = n; i > 0; --i, rest /= 10)
      numbers[n] |= ('0' + rest % 10) << (8 * (i - 1));
    numbers[n] |= length << 24U;
  }
  return numbers;
}();

// Writes a whole number below 10^8 and returns its length; uses eight bytes of `out`.
inline std::size_t format_whole(std::uint64_t value, char* out) {
  if (value < short_numbers.size()) {
    store8(out, short_numbers[value]);
    return short_numbers[value] >> 24U;
  }
  const std::uint64_t digits = split_digits(value);
  const unsigned zeros = static_cast<unsigned>(std::countr_zero(digits)) / 8;
  store8(out, (digits | ascii_zeros) >> (8 * zeros));
  return 8 - zeros;
}

struct Decimal {
  std::int64_t value = 0;      // the digits without the dot
  unsigned scale = 0;          // digits after the dot
  bool trailing_zero = false;  // the last of them is 0
};

// Any canonical decimal of at most 18 digits: no plus sign, no needless leading zero, no negative zero,
// digits on both sides of a dot.
bool parse_decimal(const char* cell, std::size_t length, Decimal& decimal);

// The quick way for decimals of exactly `scale` digits after the dot, with no more than 8 on either
// side of it. False says only "not that": parse_decimal then decides.
[[gnu::always_inline]] inline bool parse_decimal_of_scale(const char* cell, std::size_t length,
                                                          unsigned scale, std::int64_t& value) {
  const bool negative = *cell == '-';
  const char* p = cell + (negative ? 1 : 0);
  const std::size_t digits = length - (negative ? 1 : 0) - (scale > 0 ? scale + 1 : 0);
  if (digits - 1 > 7 || (*p == '0' && digits > 1)) return false;
  std::uint64_t whole = 0;
  if (!parse_digits(p, static_cast<unsigned>(digits), whole)) return false;
  if (scale > 0) {
    std::uint64_t fraction = 0;
    if (scale > 8 || p[digits] != '.' || !parse_digits(p + digits + 1, scale, fraction)) return false;
    whole = whole * power_of_ten[scale] + fraction;
  }
  value = negative ? -static_cast<std::int64_t>(whole) : static_cast<std::int64_t>(whole);
  return whole != 0 || !negative;
}

// Position of the first dot in the 16 bytes at `cell`, or 16.
inline std::size_t find_dot(const char* cell) {
  for (std::size_t at = 0; at < 16; at += 8) {
    const std::uint64_t x = load8(cell + at) ^ 0x2E2E2E2E2E2E2E2E;
    const std::uint64_t zero = (x - 0x0101010101010101) & ~x & 0x8080808080808080;
    if (zero != 0) return at + static_cast<std::size_t>(std::countr_zero(zero)) / 8;
  }
  return 16;
}

// The same for decimals without trailing zeros, brought to `scale` (at most 8) digits.
inline bool parse_trimmed_decimal(const char* cell, std::size_t length, unsigned scale, std::int64_t& value) {
  const std::size_t dot = find_dot(cell);
  unsigned own_scale = 0;
  if (dot < length) {
    own_scale = static_cast<unsigned>(length - dot - 1);
    if (own_scale - 1 >= scale || cell[length - 1] == '0') return false;
  }
  if (!parse_decimal_of_scale(cell, length, own_scale, value)) return false;
  value *= static_cast<std::int64_t>(power_of_ten[scale - own_scale]);
  return true;
}

// Day of the proleptic Gregorian calendar counted from 1970-01-01, and back.
std::int64_t day_number(unsigned year, unsigned month, unsigned day);
struct Date {
  unsigned year, month, day;
};
Date date_of(std::int64_t day_number);

// "2026-11-20" of the years 0001 to 9999 to its day number. Reads 16 bytes.
bool parse_date(const char* cell, std::int64_t& day);
// Writes those ten characters (and up to six more); `day` is within first_day and last_day.
void format_date(std::int64_t day, char* out);

// Timestamps of one column lie close together, so the day is parsed or written once for many of them.
class DayCache {
 public:
  // "2026-11-20 02:15:03", then a dot and one to six digits of which the last is not 0, or nothing;
  // then `zone` ("" or "+00"). The value is in microseconds since 1970-01-01.
  bool parse_timestamp(const char* cell, std::size_t length, bool zone, std::int64_t& microseconds);

  // Writes the timestamp of `value` units of 10^-scale seconds (scale 0 to 6) and returns its length;
  // 0 when its year is not within 1 and 9999.
  std::size_t format_timestamp(std::int64_t value, unsigned scale, bool zone, char* out);

 private:
  bool select_day(const char* cell);

  std::array<char, 24> text_{};  // "2026-11-20 " of day_
  std::int64_t day_ = last_day + 1;
};

// Writes `value` with `scale` digits after the dot, or without its trailing zeros. Returns the length,
// 21 at most.
std::size_t format_any_decimal(std::int64_t value, unsigned scale, bool trimmed, char* out);

// The same, quick where there are no more than 8 digits on either side of the dot.
template <unsigned Scale, bool Trimmed>
inline std::size_t format_decimal(std::int64_t value, char* out) {
  static_assert(Scale <= 8);
  constexpr std::uint64_t unit = power_of_ten[Scale];
  const auto sign = static_cast<std::uint64_t>(value >> 63);  // all ones when negative
  const std::uint64_t magnitude = (static_cast<std::uint64_t>(value) ^ sign) - sign;
  const std::uint64_t whole = magnitude / unit;
  if (whole >= 100000000) [[unlikely]]
    return format_any_decimal(value, Scale, Trimmed, out);
  char* p = out;
  *p = '-';
  p += sign & 1U;
  p += format_whole(whole, p);
  if constexpr (Scale == 1 && !Trimmed) {
    p[0] = '.';
    p[1] = static_cast<char>('0' + (magnitude - whole * unit));
    p += 2;
  } else if constexpr (Scale > 0) {
    const std::uint64_t fraction = split_digits(magnitude - whole * unit) >> (64 - 8 * Scale);
    *p = '.';
    store8(p + 1, fraction | ascii_zeros);
    if constexpr (Trimmed) {
      const unsigned kept = (64 - static_cast<unsigned>(std::countl_zero(fraction)) + 7) / 8;
      p += kept + (kept > 0 ? 1 : 0);
    } else {
      p += Scale + 1;
    }
  }
  return static_cast<std::size_t>(p - out);
}

// The same for 9 to 16 digits after the dot, as a double prints: quick up to 8 digits before it.
inline std::size_t format_wide_decimal(std::int64_t value, unsigned scale, bool trimmed, char* out) {
  const auto sign = static_cast<std::uint64_t>(value >> 63);  // all ones when negative
  const std::uint64_t magnitude = (static_cast<std::uint64_t>(value) ^ sign) - sign;
  const std::uint64_t whole = magnitude / power_of_ten[scale];
  if (whole >= power_of_ten[8] || scale > 16) [[unlikely]]
    return format_any_decimal(value, scale, trimmed, out);
  const std::uint64_t fraction = (magnitude - whole * power_of_ten[scale]) * power_of_ten[16 - scale];
  const std::uint64_t high = split_digits(fraction / power_of_ten[8]);
  const std::uint64_t low = split_digits(fraction % power_of_ten[8]);
  char* p = out;
  *p = '-';
  p += sign & 1U;
  p += format_whole(whole, p);
  *p = '.';
  store8(p + 1, high | ascii_zeros);
  store8(p + 9, low | ascii_zeros);
  unsigned kept = scale;
  if (trimmed) {
    const std::uint64_t last = low != 0 ? low : high;
    kept = (64 - static_cast<unsigned>(std::countl_zero(last)) + 7) / 8 + (low != 0 ? 8 : 0);
  }
  p += kept + (kept > 0 ? 1 : 0);
  return static_cast<std::size_t>(p - out);
}

}  // namespace tmb::repository::cells
