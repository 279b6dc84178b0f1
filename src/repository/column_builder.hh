// SPDX-License-Identifier: MIT
// Collects the cells of one column of a chunk: decides from its first cells what it holds, then turns
// each into a number or keeps it as text. Knows nothing of the encoded form's bytes, nor of other columns.
// Private to the column codec.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "repository/column_cells.hh"
#include "repository/column_layout.hh"
#include "repository/column_split.hh"

namespace tmb::repository {

// A cell that is not NULL: its place in the text of a block, and its row there.
struct BlockCell {
  std::uint32_t start, length, row;
};

// The distinct cells of a column that has few.
class Dictionary {
 public:
  void clear();
  // Index of the cell's entry, made if it is new; -1 when the dictionary is full.
  int find_or_add(const char* cell, std::size_t length);
  std::size_t size() const { return entries_.size(); }
  std::string_view entry(std::size_t i) const {
    return std::string_view(text_).substr(entries_[i].at, entries_[i].length);
  }

 private:
  struct Entry {
    std::uint64_t start;  // the first eight bytes, zeros behind a shorter cell
    std::size_t at, length;
  };
  static constexpr std::size_t slots = 1024;

  bool is(int index, std::uint64_t start, const char* cell, std::size_t length) const {
    if (index < 0) return false;
    const Entry& known = entries_[static_cast<std::size_t>(index)];
    return known.start == start && known.length == length &&
           (length <= 8 || std::memcmp(text_.data() + known.at, cell, length) == 0);
  }

  std::string text_;
  std::vector<Entry> entries_;
  std::array<std::int16_t, slots> table_{};  // open addressing; -1 is free
  int last_ = -1;
};

class ColumnBuilder {
 public:
  void clear();

  // The maps of the next `rows` rows, for the caller to mark as number or NULL.
  std::uint8_t* add_rows(std::size_t rows) { return map_.grow(rows); }
  // Adds those that are not NULL, and marks in `map` (what add_rows returned) which became text. `block`
  // has cells::slack readable bytes behind it, and each cell its separator.
  void add_cells(const char* block, std::span<const BlockCell> given, std::uint8_t* map);
  // To be called once behind the last cell.
  void finish();

  layout::Kind kind() const { return kind_; }
  unsigned scale() const { return scale_; }
  const Dictionary& dictionary() const { return dictionary_; }
  std::span<std::int64_t> numbers() { return numbers_.span(); }
  std::string_view text() const { return {text_.data(), text_.size()}; }  // cells, each with its separator
  std::string_view map() const { return {reinterpret_cast<const char*>(map_.data()), map_.size()}; }

 private:
  void decide(const char* block, std::span<const BlockCell> given);
  bool decide_decimal(const char* block, std::span<const BlockCell> given);
  void add_text(const char* block, const BlockCell& cell);
  template <typename Parse>
  void parse_cells(const char* block, std::span<const BlockCell> given, std::uint8_t* map, Parse parse);
  template <unsigned Scale>
  void add_decimals_of_scale(const char* block, std::span<const BlockCell> given, std::uint8_t* map);
  void add_decimals(const char* block, std::span<const BlockCell> given, std::uint8_t* map);
  bool parse_odd_decimal(const char* cell, std::size_t length, std::int64_t& value);
  bool rescale(std::span<std::int64_t> so_far, unsigned scale);

  bool decided_ = false;  // the kind is known: a cell that is not NULL was seen
  layout::Kind kind_ = layout::Kind::text;
  unsigned scale_ = 0;
  unsigned scale_limit_ = cells::max_scale;  // the numbers do not fit with more
  bool trailing_zero_ = false;               // a decimal with one is known: the column is not trimmed
  std::size_t exceptions_ = 0;               // cells that became text in a column of another kind
  Dictionary dictionary_;
  cells::DayCache day_;
  Grown<std::int64_t> numbers_;
  Grown<char> text_;
  Grown<std::uint8_t> map_;
};

}  // namespace tmb::repository
