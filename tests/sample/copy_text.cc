// SPDX-License-Identifier: MIT
#include "copy_text.hh"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstring>

namespace tmb::sample {

namespace {

// `count` digits with leading zeros.
char* write_digits(char* at, std::uint64_t value, unsigned count) {
  for (unsigned i = count; i > 0; --i) {
    at[i - 1] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
  return at + count;
}

std::int64_t floor_divide(std::int64_t value, std::int64_t by) {
  return value / by - (value % by < 0 ? 1 : 0);
}

}  // namespace

char* CopyText::begin_field(std::size_t length) {
  if (data_.size() < size_ + length + 2) {
    data_.resize(std::max<std::size_t>(data_.size() * 2, size_ + length + 4096));
  }
  char* at = data_.data() + size_;
  if (!first_) {
    *at++ = '\t';
  }
  first_ = false;
  return at;
}

CopyText& CopyText::raw(std::string_view value) {
  char* at = begin_field(value.size());
  end_field(std::copy(value.begin(), value.end(), at));
  return *this;
}

CopyText& CopyText::null() { return raw("\\N"); }

CopyText& CopyText::integer(std::int64_t value) {
  char* at = begin_field(24);
  end_field(std::to_chars(at, at + 24, value).ptr);
  return *this;
}

CopyText& CopyText::integer(std::optional<std::int64_t> value) { return value ? integer(*value) : null(); }

CopyText& CopyText::boolean(bool value) { return raw(value ? "t" : "f"); }

CopyText& CopyText::decimal(std::int64_t value, unsigned digits) {
  char* at = begin_field(32);
  if (value < 0) {
    *at++ = '-';
    value = -value;
  }
  std::int64_t scale = 1;
  for (unsigned i = 0; i < digits; ++i) {
    scale *= 10;
  }
  at = std::to_chars(at, at + 20, value / scale).ptr;
  *at++ = '.';
  end_field(write_digits(at, static_cast<std::uint64_t>(value % scale), digits));
  return *this;
}

CopyText& CopyText::real(double value) {
  if (std::isnan(value)) {
    return raw("NaN");
  }
  if (std::isinf(value)) {
    return raw(value > 0 ? "Infinity" : "-Infinity");
  }
  char* at = begin_field(32);
  end_field(std::to_chars(at, at + 32, value).ptr);
  return *this;
}

CopyText& CopyText::timestamp(Microseconds value) {
  const std::int64_t days = floor_divide(value, day);
  if (days != cached_day_) {
    const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{days}}};
    char* at = write_digits(cached_date_, static_cast<unsigned>(static_cast<int>(date.year())), 4);
    *at++ = '-';
    at = write_digits(at, static_cast<unsigned>(date.month()), 2);
    *at++ = '-';
    write_digits(at, static_cast<unsigned>(date.day()), 2);
    cached_day_ = days;
  }
  const auto in_day = static_cast<std::uint64_t>(value - days * day);
  const std::uint64_t seconds = in_day / 1'000'000;
  char* at = begin_field(32);
  at = std::copy(std::begin(cached_date_), std::end(cached_date_), at);
  *at++ = ' ';
  at = write_digits(at, seconds / 3600, 2);
  *at++ = ':';
  at = write_digits(at, seconds / 60 % 60, 2);
  *at++ = ':';
  at = write_digits(at, seconds % 60, 2);
  if (const std::uint64_t fraction = in_day % 1'000'000; fraction != 0) {
    *at++ = '.';
    at = write_digits(at, fraction, 6);
    while (at[-1] == '0') {
      --at;
    }
  }
  end_field(at);
  return *this;
}

CopyText& CopyText::text(std::string_view value) {
  char* at = begin_field(value.size() * 2);
  for (const char c : value) {
    const char* const special = "\\\\\nn\rr\tt\bb\ff\vv";
    const char* found = nullptr;
    for (const char* pair = special; *pair != '\0'; pair += 2) {
      if (*pair == c) {
        found = pair + 1;
      }
    }
    if (found != nullptr) {
      *at++ = '\\';
      *at++ = *found;
    } else {
      *at++ = c;
    }
  }
  end_field(at);
  return *this;
}

void CopyText::end_row() {
  if (data_.size() < size_ + 1) {
    data_.resize(size_ + 4096);
  }
  data_[size_++] = '\n';
  ++rows_;
  first_ = true;
}

}  // namespace tmb::sample
