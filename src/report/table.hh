// SPDX-License-Identifier: MIT
// Columns that line up on a terminal. Knows nothing of colours and does not cut text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tmb::report {

enum class Align { left, right };

struct Column {
  std::string title;
  Align align = Align::left;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // One cell for each column; what is missing is empty. Cells are made printable.
  void add_row(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  // The titles, unless all are empty, and the rows, two spaces between columns, no blanks at the end.
  std::vector<std::string> lines() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// Cells of a terminal that `text` (printable UTF-8) fills: combining marks none, East Asian wide characters
// and emoji two.
std::size_t display_width(std::string_view text);
// The beginning of `text` that fits in `cells`.
std::string_view fit(std::string_view text, std::size_t cells);
std::string pad(std::string_view text, std::size_t cells, Align align = Align::left);

}  // namespace tmb::report
