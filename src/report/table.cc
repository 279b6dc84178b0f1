// SPDX-License-Identifier: MIT
#include "report/table.hh"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "base/error.hh"

namespace tmb::report {

namespace {

struct Range {
  char32_t first;
  char32_t last;
};

// The blocks that matter for names of cars and places, not the whole of Unicode's tables.
constexpr std::array zero_width{
    Range{0x0300, 0x036F}, Range{0x0483, 0x0489}, Range{0x0591, 0x05BD},   Range{0x064B, 0x065F},
    Range{0x0E34, 0x0E3A}, Range{0x0E47, 0x0E4E}, Range{0x1AB0, 0x1AFF},   Range{0x1DC0, 0x1DFF},
    Range{0x200B, 0x200D}, Range{0x20D0, 0x20FF}, Range{0x3099, 0x309A},   Range{0xFE00, 0xFE0F},
    Range{0xFE20, 0xFE2F}, Range{0xFEFF, 0xFEFF}, Range{0x1F3FB, 0x1F3FF}, Range{0xE0100, 0xE01EF}};
constexpr std::array two_wide{Range{0x1100, 0x115F},   Range{0x231A, 0x231B},   Range{0x23E9, 0x23EC},
                              Range{0x26A1, 0x26A1},   Range{0x2705, 0x2705},   Range{0x2728, 0x2728},
                              Range{0x2E80, 0x303E},   Range{0x3041, 0x33FF},   Range{0x3400, 0x4DBF},
                              Range{0x4E00, 0x9FFF},   Range{0xA000, 0xA4CF},   Range{0xAC00, 0xD7A3},
                              Range{0xF900, 0xFAFF},   Range{0xFE30, 0xFE6F},   Range{0xFF00, 0xFF60},
                              Range{0xFFE0, 0xFFE6},   Range{0x1F300, 0x1F64F}, Range{0x1F680, 0x1F6FF},
                              Range{0x1F900, 0x1F9FF}, Range{0x1FA70, 0x1FAFF}, Range{0x20000, 0x3FFFD}};

template <std::size_t N>
bool is_in(char32_t c, const std::array<Range, N>& ranges) {
  return std::ranges::any_of(ranges, [c](const Range& range) { return c >= range.first && c <= range.last; });
}

std::size_t width_of(char32_t c) {
  if (is_in(c, zero_width)) return 0;
  return is_in(c, two_wide) ? 2 : 1;
}

// The first character of `text`, which is not empty, and its bytes. What is no UTF-8 counts as one character
// a byte.
std::pair<char32_t, std::size_t> first_character(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t length = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (length == 1 || text.size() < length) return {first, 1};
  char32_t point = first & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    point = (point << 6U) | (static_cast<unsigned char>(text[i]) & 0x3FU);
  }
  return {point, length};
}

}  // namespace

std::size_t display_width(std::string_view text) {
  std::size_t cells = 0;
  while (!text.empty()) {
    const auto [character, length] = first_character(text);
    cells += width_of(character);
    text.remove_prefix(length);
  }
  return cells;
}

std::string_view fit(std::string_view text, std::size_t cells) {
  std::size_t at = 0;
  while (at < text.size()) {
    const auto [character, length] = first_character(text.substr(at));
    const std::size_t width = width_of(character);
    if (width > cells) break;
    cells -= width;
    at += length;
  }
  return text.substr(0, at);
}

std::string pad(std::string_view text, std::size_t cells, Align align) {
  const std::size_t width = display_width(text);
  const std::string blanks(cells > width ? cells - width : 0, ' ');
  return align == Align::left ? std::string(text) + blanks : blanks + std::string(text);
}

void Table::add_row(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  for (std::string& cell : cells) cell = base::printable(cell);
  rows_.push_back(std::move(cells));
}

std::vector<std::string> Table::lines() const {
  std::vector<std::size_t> widths;
  widths.reserve(columns_.size());
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = display_width(columns_[i].title);
    for (const auto& row : rows_) width = std::max(width, display_width(row[i]));
    widths.push_back(width);
  }
  std::vector<std::string> out;
  const auto add = [&](const auto& cell_of) {
    std::string line;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (i > 0) line += "  ";
      line += pad(cell_of(i), widths[i], columns_[i].align);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out.push_back(std::move(line));
  };
  if (std::ranges::any_of(columns_, [](const Column& column) { return !column.title.empty(); })) {
    add([&](std::size_t i) -> const std::string& { return columns_[i].title; });
  }
  for (const auto& row : rows_) {
    add([&](std::size_t i) -> const std::string& { return row[i]; });
  }
  return out;
}

}  // namespace tmb::report
