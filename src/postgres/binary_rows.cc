// SPDX-License-Identifier: MIT
#include "postgres/binary_rows.hh"

#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <limits>

namespace tmb::postgres {

namespace {

// Cells are read from `p` on; a cell ends at its tab or newline, which is always there. A function that reads
// one moves `p` to that place and returns where its output ends, or returns nullptr for a spelling that is
// none of COPY's own.
bool ends(char c) { return c == '\t' || c == '\n'; }

template <typename T>
char* put(char* out, T value) {
  if constexpr (std::endian::native == std::endian::little && sizeof(T) == 8)
    value = __builtin_bswap64(value);
  if constexpr (std::endian::native == std::endian::little && sizeof(T) == 4)
    value = __builtin_bswap32(value);
  if constexpr (std::endian::native == std::endian::little && sizeof(T) == 2)
    value = __builtin_bswap16(value);
  std::memcpy(out, &value, sizeof(T));
  return out + sizeof(T);
}

// A length and a value of that length.
template <typename T>
char* put_field(char* out, T value) {
  return put(put(out, static_cast<std::uint32_t>(sizeof(T))), value);
}

bool is_digit(char c) { return static_cast<unsigned char>(c - '0') <= 9; }

bool begins(const char* p, std::string_view text) { return std::memcmp(p, text.data(), text.size()) == 0; }

// Exactly `count` digits; false when one is none.
template <unsigned Count>
bool digits(const char* p, std::int64_t& value) {
  value = 0;
  bool good = true;
  for (unsigned i = 0; i < Count; ++i) {
    good &= is_digit(p[i]);
    value = value * 10 + (p[i] - '0');
  }
  return good;
}

// Digits up to something else, 1 to 18 of them.
bool whole_number(const char*& p, std::uint64_t& value) {
  const char* const begin = p;
  value = 0;
  while (is_digit(*p)) value = value * 10 + static_cast<std::uint64_t>(*p++ - '0');
  return p != begin && p - begin <= 18;
}

template <typename T>
char* put_integer(const char*& p, char* out) {
  const bool negative = *p == '-';
  p += negative ? 1 : 0;
  std::uint64_t magnitude = 0;
  if (!whole_number(p, magnitude) || !ends(*p)) return nullptr;
  const auto value = negative ? -static_cast<std::int64_t>(magnitude) : static_cast<std::int64_t>(magnitude);
  if (value < std::numeric_limits<T>::min() || value > std::numeric_limits<T>::max()) return nullptr;
  return put_field(out, static_cast<std::make_unsigned_t<T>>(value));
}

template <typename T, typename Bits>
char* put_float(const char*& p, char* out) {
  const char* const begin = p;
  while (!ends(*p)) ++p;
  const std::string_view cell(begin, static_cast<std::size_t>(p - begin));
  T value = 0;
  if (is_digit(begin[*begin == '-' ? 1 : 0])) {
    // The nearest value, as strtod and so the server find it.
    const auto [end, error] = std::from_chars(begin, p, value, std::chars_format::general);
    if (error != std::errc() || end != p) return nullptr;
  } else if (cell == "Infinity") {
    value = std::numeric_limits<T>::infinity();
  } else if (cell == "-Infinity") {
    value = -std::numeric_limits<T>::infinity();
  } else if (cell == "NaN") {
    value = std::numeric_limits<T>::quiet_NaN();
  } else {
    return nullptr;
  }
  return put_field(out, std::bit_cast<Bits>(value));
}

constexpr std::array<std::uint64_t, 9> power_of_ten{1,      10,      100,      1000,     10000,
                                                    100000, 1000000, 10000000, 100000000};

// A value below 10^8 as one or two groups of four digits.
char* put_groups(char* out, std::uint64_t value, bool two) {
  if (two) out = put(out, static_cast<std::uint16_t>(value / 10000));
  return put(out, static_cast<std::uint16_t>(value % 10000));
}

// Digits to the base 10000 around the decimal point, as PostgreSQL's numeric_recv takes them. Up to eight
// digits on either side; the rest goes as text.
char* put_numeric(const char*& p, char* out) {
  constexpr std::uint16_t negative_sign = 0x4000;
  const bool negative = *p == '-';
  p += negative ? 1 : 0;
  const char* const begin = p;
  std::uint64_t whole = 0;
  if (!whole_number(p, whole) || p - begin > 8) return nullptr;
  std::uint64_t fraction = 0;
  std::size_t scale = 0;
  if (*p == '.') {
    const char* const first = ++p;
    if (!whole_number(p, fraction) || p - first > 8) return nullptr;
    scale = static_cast<std::size_t>(p - first);
    fraction *= power_of_ten[scale > 4 ? 8 - scale : 4 - scale];
  }
  if (!ends(*p)) return nullptr;
  const bool two_whole = whole >= 10000;
  const std::size_t groups = 1U + (two_whole ? 1U : 0U) + (scale + 3) / 4;
  out = put(out, static_cast<std::uint32_t>(8 + 2 * groups));
  out = put(out, static_cast<std::uint16_t>(groups));
  out = put(out, static_cast<std::uint16_t>(two_whole ? 1 : 0));
  out = put(out, negative ? negative_sign : std::uint16_t{0});
  out = put(out, static_cast<std::uint16_t>(scale));
  out = put_groups(out, whole, two_whole);
  return scale > 0 ? put_groups(out, fraction, scale > 4) : out;
}

constexpr std::int64_t seconds_per_day = 86400;

// Days from 2000-01-01 to "YYYY-MM-DD", ten characters at `p`; false for anything else.
bool day_of(const char* p, std::int64_t& day) {
  std::int64_t year = 0;
  std::int64_t month = 0;
  std::int64_t of_month = 0;
  if (!digits<4>(p, year) || p[4] != '-' || !digits<2>(p + 5, month) || p[7] != '-' ||
      !digits<2>(p + 8, of_month)) {
    return false;
  }
  constexpr std::array<std::int64_t, 12> lengths{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  if (year < 1 || month < 1 || month > 12 || of_month < 1 ||
      of_month > lengths[static_cast<std::size_t>(month - 1)] + (leap && month == 2 ? 1 : 0)) {
    return false;
  }
  // Counted from 1 March of the year 0, so that the leap day is the last of a year.
  const std::int64_t y = month <= 2 ? year - 1 : year;
  const std::int64_t m = month <= 2 ? month + 9 : month - 3;
  constexpr std::int64_t until_2000 = 730425;
  day = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + of_month - 1 - until_2000;
  return true;
}

// Timestamps of neighbouring rows share their day.
struct Day {
  std::array<char, 10> text{};
  std::int64_t number = 0;

  bool select(const char* p) {
    if (std::memcmp(p, text.data(), text.size()) == 0) return true;
    if (!day_of(p, number)) {
      text.fill('\0');
      return false;
    }
    std::memcpy(text.data(), p, text.size());
    return true;
  }
};

char* put_date(const char*& p, Day& day, char* out) {
  if (!day.select(p) || !ends(p[10])) return nullptr;
  p += 10;
  return put_field(out, static_cast<std::uint32_t>(day.number));
}

char* put_timestamp(const char*& p, bool zone, Day& day, char* out) {
  std::int64_t hour = 0;
  std::int64_t minute = 0;
  std::int64_t second = 0;
  if (!day.select(p) || p[10] != ' ' || !digits<2>(p + 11, hour) || p[13] != ':' ||
      !digits<2>(p + 14, minute) || p[16] != ':' || !digits<2>(p + 17, second) || hour > 23 || minute > 59 ||
      second > 59) {
    return nullptr;
  }
  p += 19;
  std::uint64_t fraction = 0;
  if (*p == '.') {
    const char* const first = ++p;
    if (!whole_number(p, fraction) || p - first > 6) return nullptr;
    fraction *= power_of_ten[static_cast<std::size_t>(6 - (p - first))];
  }
  if (zone) {
    if (!begins(p, "+00")) return nullptr;
    p += 3;
  }
  if (!ends(*p)) return nullptr;
  const std::int64_t seconds = day.number * seconds_per_day + hour * 3600 + minute * 60 + second;
  return put_field(out, static_cast<std::uint64_t>(seconds * 1000000) + fraction);
}

// The characters behind COPY's escapes. No longer than the cell.
char* put_characters(const char*& p, char* out) {
  for (; !ends(*p); ++p) {
    char c = *p;
    if (c == '\\') {
      constexpr std::string_view written = "\\bfnrtv";
      constexpr std::string_view meant = "\\\b\f\n\r\t\v";
      const std::size_t which = written.find(*++p);
      if (which == std::string_view::npos) return nullptr;
      c = meant[which];
    }
    *out++ = c;
  }
  return out;
}

char* put_text(const char*& p, char* out) {
  char* const end = put_characters(p, out + 4);
  if (end != nullptr) put(out, static_cast<std::uint32_t>(end - out - 4));
  return end;
}

char* put_jsonb(const char*& p, char* out) {
  constexpr char version = 1;
  char* const end = put_characters(p, out + 5);
  if (end == nullptr) return nullptr;
  *put(out, static_cast<std::uint32_t>(end - out - 4)) = version;
  return end;
}

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Pairs of hex digits up to something else.
char* put_hex(const char*& p, char* out) {
  for (;; p += 2) {
    const int high = hex_value(p[0]);
    if (high < 0) return out;
    const int low = hex_value(p[1]);
    if (low < 0) return nullptr;
    *out++ = static_cast<char>(high * 16 + low);
  }
}

char* put_bytea(const char*& p, char* out) {
  if (p[0] != '\\' || p[1] != '\\' || p[2] != 'x') return nullptr;
  p += 3;
  char* const end = put_hex(p, out + 4);
  if (end == nullptr || !ends(*p)) return nullptr;
  put(out, static_cast<std::uint32_t>(end - out - 4));
  return end;
}

char* put_uuid(const char*& p, char* out) {
  out = put(out, std::uint32_t{16});
  for (const std::ptrdiff_t length : {4, 2, 2, 2, 6}) {
    char* const end = put_hex(p, out);
    if (end == nullptr || end - out != length || *p != (length == 6 ? *p : '-')) return nullptr;
    p += length == 6 ? 0 : 1;
    out = end;
  }
  return ends(*p) ? out : nullptr;
}

char* put_boolean(const char*& p, char* out) {
  if ((*p != 't' && *p != 'f') || !ends(p[1])) return nullptr;
  out = put(out, std::uint32_t{1});
  *out++ = *p++ == 't' ? '\1' : '\0';
  return out;
}

char* put_cell(Wire wire, const char*& p, Day& day, char* out) {
  switch (wire) {
    case Wire::boolean: return put_boolean(p, out);
    case Wire::int2: return put_integer<std::int16_t>(p, out);
    case Wire::int4: return put_integer<std::int32_t>(p, out);
    case Wire::int8: return put_integer<std::int64_t>(p, out);
    case Wire::float4: return put_float<float, std::uint32_t>(p, out);
    case Wire::float8: return put_float<double, std::uint64_t>(p, out);
    case Wire::numeric: return put_numeric(p, out);
    case Wire::date: return put_date(p, day, out);
    case Wire::timestamp: return put_timestamp(p, false, day, out);
    case Wire::timestamp_zone: return put_timestamp(p, true, day, out);
    case Wire::text: return put_text(p, out);
    case Wire::jsonb: return put_jsonb(p, out);
    case Wire::bytea: return put_bytea(p, out);
    case Wire::uuid: return put_uuid(p, out);
  }
  return nullptr;
}

}  // namespace

std::optional<Wire> wire_of(std::uint32_t type_oid, char typtype) {
  if (typtype == 'e') return Wire::text;
  switch (type_oid) {
    case 16: return Wire::boolean;
    case 17: return Wire::bytea;
    case 20: return Wire::int8;
    case 21: return Wire::int2;
    case 23: return Wire::int4;
    case 25:    // text
    case 114:   // json
    case 1042:  // bpchar
    case 1043: return Wire::text;
    case 700: return Wire::float4;
    case 701: return Wire::float8;
    case 1082: return Wire::date;
    case 1114: return Wire::timestamp;
    case 1184: return Wire::timestamp_zone;
    case 1700: return Wire::numeric;
    case 2950: return Wire::uuid;
    case 3802: return Wire::jsonb;
    default: return std::nullopt;
  }
}

bool BinaryRows::convert(std::string_view rows, std::string& out) const {
  // A cell grows by no more: a length, and the head and the rounding of a numeric.
  constexpr std::size_t growth = 24;
  // What a parser may look at behind a row's newline.
  constexpr std::size_t slack = 32;
  constexpr std::uint32_t null = 0xFFFFFFFF;
  if (rows.empty() || rows.back() != '\n') return rows.empty() && (out.clear(), true);
  std::string last;  // the last rows again, with room behind them
  std::size_t used = 0;
  Day day;
  const char* p = rows.data();
  const char* end = p + rows.size();
  while (p < end) {
    const auto* row_end = static_cast<const char*>(std::memchr(p, '\n', static_cast<std::size_t>(end - p)));
    if (last.empty() && static_cast<std::size_t>(end - row_end) <= slack) {
      last.assign(p, end);
      const auto row_length = row_end - p;
      const auto length = static_cast<std::ptrdiff_t>(last.size());
      last.append(slack, '\n');
      p = last.data();
      row_end = p + row_length;
      end = p + length;
    }
    const std::size_t most = 2 + columns_.size() * growth + static_cast<std::size_t>(row_end - p);
    if (out.size() - used < most) out.resize(std::max(used + most, out.size() + out.size() / 2));
    char* at = put(out.data() + used, static_cast<std::uint16_t>(columns_.size()));
    for (const Wire wire : columns_) {
      if (p > row_end) return false;  // fewer cells than columns
      if (p[0] == '\\' && p[1] == 'N' && ends(p[2])) {
        at = put(at, null);
        p += 3;
        continue;
      }
      at = put_cell(wire, p, day, at);
      if (at == nullptr) return false;
      ++p;
    }
    if (p != row_end + 1) return false;  // more cells than columns
    used = static_cast<std::size_t>(at - out.data());
  }
  out.resize(used);
  return true;
}

}  // namespace tmb::postgres
