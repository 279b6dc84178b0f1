// SPDX-License-Identifier: MIT
// Rows in PostgreSQL's COPY text format, appended to one buffer. Values are written as the server would
// write them itself, so that the script is as long as a dump. Knows no table.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace tmb::sample {

// Microseconds since 1970-01-01 00:00:00 UTC.
using Microseconds = std::int64_t;
constexpr Microseconds second = 1'000'000;
constexpr Microseconds minute = 60 * second;
constexpr Microseconds day = 86'400 * second;

class CopyText {
 public:
  CopyText& null();
  CopyText& integer(std::int64_t value);
  CopyText& integer(std::optional<std::int64_t> value);
  CopyText& boolean(bool value);
  // value / 10^digits with exactly that many digits, as numeric(p, digits) is written.
  CopyText& decimal(std::int64_t value, unsigned digits);
  // The shortest text that reads back as the same double; NaN, Infinity, -Infinity.
  CopyText& real(double value);
  CopyText& timestamp(Microseconds value);
  // Escaped; the empty text stays the empty text.
  CopyText& text(std::string_view value);
  void end_row();

  std::size_t size() const { return size_; }
  std::size_t rows() const { return rows_; }
  std::string_view view() const { return {data_.data(), size_}; }
  void clear() { size_ = 0; }

 private:
  // Makes room for a separator and `length` bytes and writes the separator.
  char* begin_field(std::size_t length);
  void end_field(const char* end) { size_ = static_cast<std::size_t>(end - data_.data()); }
  CopyText& raw(std::string_view value);

  std::vector<char> data_;
  std::size_t size_ = 0;
  std::size_t rows_ = 0;
  bool first_ = true;
  std::int64_t cached_day_ = INT64_MIN;
  char cached_date_[10] = {};
};

}  // namespace tmb::sample
