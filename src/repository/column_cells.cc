// SPDX-License-Identifier: MIT
#include "repository/column_cells.hh"

namespace tmb::repository::cells {

namespace {

bool two_digits(const char* p, unsigned& value) {
  const auto tens = static_cast<unsigned>(static_cast<unsigned char>(p[0])) - '0';
  const auto ones = static_cast<unsigned>(static_cast<unsigned char>(p[1])) - '0';
  value = tens * 10 + ones;
  return tens <= 9 && ones <= 9;
}

char* put_two_digits(char* p, unsigned value) {
  p[0] = static_cast<char>('0' + value / 10);
  p[1] = static_cast<char>('0' + value % 10);
  return p + 2;
}

bool is_leap(unsigned year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

}  // namespace

bool parse_decimal(const char* cell, std::size_t length, Decimal& decimal) {
  if (length == 0 || length > max_digits + 2) return false;
  const char* const end = cell + length;
  const bool negative = *cell == '-';
  const char* p = cell + (negative ? 1 : 0);
  const char* const first = p;
  std::uint64_t magnitude = 0;
  const char* dot = nullptr;
  for (; p < end; ++p) {
    const auto digit = static_cast<unsigned>(static_cast<unsigned char>(*p)) - '0';
    if (digit <= 9) {
      magnitude = magnitude * 10 + digit;  // at most 20 digits, but more than 18 are refused below
    } else if (*p == '.' && dot == nullptr) {
      dot = p;
    } else {
      return false;
    }
  }
  const auto digits = static_cast<std::size_t>(end - first) - (dot != nullptr ? 1 : 0);
  const auto whole = static_cast<std::size_t>((dot != nullptr ? dot : end) - first);
  if (digits > max_digits || whole == 0) return false;
  if (dot == end - 1) return false;
  if (*first == '0' && whole > 1) return false;
  if (negative && magnitude == 0) return false;
  decimal.value = negative ? -static_cast<std::int64_t>(magnitude) : static_cast<std::int64_t>(magnitude);
  decimal.scale = static_cast<unsigned>(digits - whole);
  decimal.trailing_zero = dot != nullptr && end[-1] == '0';
  return true;
}

std::int64_t day_number(unsigned year, unsigned month, unsigned day) {
  // Years begin in March here, so that the leap day is the last of its year.
  const std::int64_t y = static_cast<std::int64_t>(year) - (month <= 2 ? 1 : 0);
  const unsigned m = month <= 2 ? month + 9 : month - 3;
  const std::int64_t leap_days = y / 4 - y / 100 + y / 400;
  return y * 365 + leap_days + (153 * m + 2) / 5 + day - 1 - 719468;
}

Date date_of(std::int64_t day_number) {
  const auto days = static_cast<std::uint64_t>(day_number + 719468);  // since 0000-03-01
  const std::uint64_t era = days / 146097;                            // of 400 years
  const std::uint64_t in_era = days % 146097;
  const std::uint64_t year_of_era = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
  const std::uint64_t in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::uint64_t m = (5 * in_year + 2) / 153;
  const auto month = static_cast<unsigned>(m < 10 ? m + 3 : m - 9);
  const auto year = static_cast<unsigned>(era * 400 + year_of_era) + (month <= 2 ? 1 : 0);
  return {year, month, static_cast<unsigned>(in_year - (153 * m + 2) / 5) + 1};
}

bool parse_date(const char* cell, std::int64_t& day) {
  static constexpr std::array<unsigned char, 12> month_days{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  std::uint64_t year = 0;
  unsigned month = 0;
  unsigned day_of_month = 0;
  if (cell[4] != '-' || cell[7] != '-' || !parse_digits(cell, 4, year) || !two_digits(cell + 5, month) ||
      !two_digits(cell + 8, day_of_month)) {
    return false;
  }
  const auto y = static_cast<unsigned>(year);
  if (y < 1 || month < 1 || month > 12 || day_of_month < 1 || day_of_month > month_days[month - 1])
    return false;
  if (month == 2 && day_of_month == 29 && !is_leap(y)) return false;
  day = day_number(y, month, day_of_month);
  return true;
}

void format_date(std::int64_t day, char* out) {
  const Date date = date_of(day);
  char* p = put_two_digits(out, date.year / 100);
  p = put_two_digits(p, date.year % 100);
  *p++ = '-';
  p = put_two_digits(p, date.month);
  *p++ = '-';
  put_two_digits(p, date.day);
}

bool DayCache::select_day(const char* cell) {
  const char* const text = text_.data();
  if (load8(cell) == load8(text) && load8(cell + 3) == load8(text + 3)) return true;
  std::int64_t day = 0;
  if (cell[10] != ' ' || !parse_date(cell, day)) return false;
  std::memcpy(text_.data(), cell, 11);
  day_ = day;
  return true;
}

bool DayCache::parse_timestamp(const char* cell, std::size_t length, bool zone, std::int64_t& microseconds) {
  if (zone) {
    if (length < 22 || std::memcmp(cell + length - 3, "+00", 3) != 0) return false;
    length -= 3;
  }
  if (length < 19 || length > 26 || !select_day(cell)) return false;
  unsigned hour = 0;
  unsigned minute = 0;
  unsigned second = 0;
  if (!two_digits(cell + 11, hour) || !two_digits(cell + 14, minute) || !two_digits(cell + 17, second) ||
      cell[13] != ':' || cell[16] != ':' || hour > 23 || minute > 59 || second > 59) {
    return false;
  }
  std::uint64_t fraction = 0;
  if (length > 19) {
    const auto digits = static_cast<unsigned>(length - 20);
    if (digits == 0 || cell[19] != '.' || cell[length - 1] == '0' ||
        !parse_digits(cell + 20, digits, fraction)) {
      return false;
    }
    fraction *= power_of_ten[6 - digits];
  }
  const std::int64_t seconds = day_ * seconds_per_day + ((hour * 60 + minute) * 60 + second);
  microseconds = seconds * 1000000 + static_cast<std::int64_t>(fraction);
  return true;
}

std::size_t DayCache::format_timestamp(std::int64_t value, unsigned scale, bool zone, char* out) {
  const auto unit = static_cast<std::int64_t>(power_of_ten[scale]);
  if (value < first_day * seconds_per_day * unit || value >= (last_day + 1) * seconds_per_day * unit)
    return 0;
  std::int64_t in_day = value - day_ * seconds_per_day * unit;
  if (in_day < 0 || in_day >= seconds_per_day * unit) {
    const std::int64_t day =
        (value - first_day * seconds_per_day * unit) / (seconds_per_day * unit) + first_day;
    format_date(day, text_.data());
    text_[10] = ' ';
    day_ = day;
    in_day = value - day * seconds_per_day * unit;
  }
  const auto units = static_cast<std::uint64_t>(in_day);
  const std::uint64_t whole = units / static_cast<std::uint64_t>(unit);
  const auto fraction = (units - whole * static_cast<std::uint64_t>(unit)) * power_of_ten[6 - scale];
  const auto seconds = static_cast<std::uint32_t>(whole);
  const std::uint32_t minutes = seconds / 60;
  const std::uint32_t hour = minutes / 60;
  std::memcpy(out, text_.data(), 16);
  char* p = put_two_digits(out + 11, hour);
  *p++ = ':';
  p = put_two_digits(p, minutes - hour * 60);
  *p++ = ':';
  p = put_two_digits(p, seconds - minutes * 60);
  const std::uint64_t digits = split_digits(fraction) >> 16U;
  const unsigned kept = (64 - static_cast<unsigned>(std::countl_zero(digits)) + 7) / 8;
  *p = '.';
  store8(p + 1, digits | ascii_zeros);
  p += kept + (kept > 0 ? 1 : 0);
  if (zone) {
    std::memcpy(p, "+00", 3);  // NOLINT(bugprone-not-null-terminated-result): the length says where it ends
    p += 3;
  }
  return static_cast<std::size_t>(p - out);
}

std::size_t format_any_decimal(std::int64_t value, unsigned scale, bool trimmed, char* out) {
  auto magnitude = static_cast<std::uint64_t>(value);
  if (value < 0) magnitude = 0 - magnitude;
  // All 24 digits that three groups of eight have; 2^63 has 19.
  std::array<char, 24 + slack> digits{};
  constexpr std::uint64_t group = power_of_ten[8];
  store8(digits.data(), split_digits(magnitude / group / group) | ascii_zeros);
  store8(digits.data() + 8, split_digits(magnitude / group % group) | ascii_zeros);
  store8(digits.data() + 16, split_digits(magnitude % group) | ascii_zeros);
  const char* const fraction = digits.data() + 24 - scale;
  const char* whole = digits.data() + 4;
  while (whole < fraction - 1 && *whole == '0') ++whole;
  const char* end = digits.data() + 24;
  while (trimmed && end > fraction && end[-1] == '0') --end;

  char* p = out;
  if (value < 0) *p++ = '-';
  std::memcpy(p, whole, 20);
  p += fraction - whole;
  if (end > fraction) {
    *p++ = '.';
    std::memcpy(p, fraction, max_scale);
    p += end - fraction;
  }
  return static_cast<std::size_t>(p - out);
}

}  // namespace tmb::repository::cells
