// SPDX-License-Identifier: MIT
// The numbers of one column as byte planes of small differences, and back (the layout is in columns.hh).
// Knows nothing of the text they came from. Private to the column codec.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tmb::repository {

struct NumberCoding {
  std::uint8_t order = 0;  // 0: distance from base; 1: difference; 2: difference of differences
  std::uint8_t width = 0;  // byte planes
  std::int64_t base = 0;
  std::int64_t step = 0;
};

class NumberEncoder {
 public:
  // Appends the planes of `values` to `out`, the ends of the long ones to `cuts`, and returns how they
  // were made. Overwrites `values`.
  NumberCoding encode(std::span<std::int64_t> values, std::string& out, std::vector<std::size_t>& cuts);

 private:
  NumberCoding choose(std::span<const std::int64_t> values);

  std::vector<std::int64_t> sample_;
};

// Reads the numbers of one column in the order in which they were written.
class NumberReader {
 public:
  // `encoded` begins with the planes of `count` numbers. Returns their length in bytes; throws
  // base::Error(damaged) when it is shorter than that.
  std::size_t open(const NumberCoding& coding, std::size_t count, std::span<const char> encoded);

  // The next `count` numbers. The caller asks for no more than there are.
  void read(std::size_t count, std::int64_t* values);

 private:
  struct Plane {
    const char* next;
    unsigned shift;
  };

  template <std::size_t... Index>
  auto low_planes(std::index_sequence<Index...> planes) const;
  bool only_low_planes() const;
  void read_any_planes(std::size_t count, std::int64_t* values);
  template <typename Number>
  void add_up(std::size_t count, std::int64_t* values, Number number);

  std::array<Plane, 8> planes_{};  // those that are not the same for all numbers
  std::size_t planes_count_ = 0;
  std::uint64_t constant_ = 0;  // the bits of all others
  NumberCoding coding_;
  std::uint64_t value_ = 0;
  std::uint64_t step_ = 0;
};

}  // namespace tmb::repository
