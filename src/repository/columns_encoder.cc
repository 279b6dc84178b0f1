// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "repository/column_builder.hh"
#include "repository/column_layout.hh"
#include "repository/column_numbers.hh"
#include "repository/column_split.hh"
#include "repository/columns.hh"

namespace tmb::repository {

namespace {

using layout::Kind;

constexpr std::size_t block_length = 48 << 10;  // bytes that are split at a time: they stay in the cache
constexpr std::size_t piece_length = 8192;      // a shorter text shares a zstd block with what follows

}  // namespace

struct ColumnEncoder::State {
  bool split_block(std::string_view rows, std::size_t& at);
  void add_block(ColumnBuilder& column, std::size_t index, std::size_t rows);
  void write(ColumnBuilder& column, char separator, std::string& out);
  std::uint32_t write_map(std::string_view map, std::string& out);

  std::vector<ColumnBuilder> columns;  // the first columns_count are of this chunk
  std::size_t columns_count = 0;
  std::size_t rows_count = 0;
  const char* block = nullptr;  // its text, with SeparatorList::slack readable bytes behind it
  std::string padded;           // the last block, which has nothing behind it
  SeparatorList separators;     // of the block
  std::vector<BlockCell> cells;
  NumberEncoder numbers;
  std::vector<std::string_view> stored_maps;
  std::vector<std::size_t> cuts;
};

ColumnEncoder::ColumnEncoder() : state_(std::make_unique<State>()) {}
ColumnEncoder::~ColumnEncoder() = default;
ColumnEncoder::ColumnEncoder(ColumnEncoder&&) noexcept = default;
ColumnEncoder& ColumnEncoder::operator=(ColumnEncoder&&) noexcept = default;

// Takes the next block of whole rows, at least one; false when the text is not rectangular.
bool ColumnEncoder::State::split_block(std::string_view rows, std::size_t& at) {
  std::size_t end = std::min(at + block_length, rows.size());
  const std::size_t newline = rows.substr(at, end - at).rfind('\n');
  end = newline != std::string_view::npos ? at + newline : rows.find('\n', end);
  if (end == std::string_view::npos) return false;
  const std::string_view text = rows.substr(at, end + 1 - at);
  at = end + 1;
  block = text.data();
  if (rows.size() - at < SeparatorList::slack) {
    padded.assign(text);
    padded.append(SeparatorList::slack, '\0');
    block = padded.data();
  }
  const std::size_t newlines = separators.find(block, text.size());
  if (columns_count == 0) {
    while (block[separators[columns_count]] != '\n') ++columns_count;
    ++columns_count;
    if (columns_count > layout::max_columns) return false;
  }
  if (separators.size() != newlines * columns_count) return false;
  for (std::size_t i = columns_count - 1; i < separators.size(); i += columns_count) {
    if (block[separators[i]] != '\n') return false;
  }
  return true;
}

// Adds the cells of column `index` in the present block.
void ColumnEncoder::State::add_block(ColumnBuilder& column, std::size_t index, std::size_t rows) {
  std::uint8_t* const map = column.add_rows(rows);
  if (cells.size() < rows) cells.resize(rows);
  std::size_t count = 0;
  for (std::size_t row = 0; row < rows; ++row) {
    const std::size_t i = row * columns_count + index;
    const std::uint32_t start = separators.start(i);
    const std::uint32_t length = separators[i] - start;
    // Written down always and counted only when it is a cell: a branch here would be hard to predict.
    const bool null = (length == 2) & (block[start] == '\\') & (block[start + 1] == 'N');
    map[row] = null ? layout::null : layout::number;
    cells[count] = {start, length, static_cast<std::uint32_t>(row)};
    count += null ? 0 : 1;
  }
  column.add_cells(block, std::span(cells).first(count), map);
}

// The number of the column's map; appends it when it is none of those before it.
std::uint32_t ColumnEncoder::State::write_map(std::string_view map, std::string& out) {
  if (std::memcmp(map.data(), map.data() + 1, map.size() - 1) == 0) return static_cast<std::uint32_t>(map[0]);
  const auto known = std::find(stored_maps.begin(), stored_maps.end(), map);
  const auto number = layout::first_stored_map + static_cast<std::uint32_t>(known - stored_maps.begin());
  if (known == stored_maps.end()) {
    out += map;
    stored_maps.push_back(map);
  }
  return number;
}

void ColumnEncoder::State::write(ColumnBuilder& column, char separator, std::string& out) {
  column.finish();
  const std::size_t header_at = out.size();
  out.resize(header_at + layout::column_header);
  const std::uint32_t map = write_map(column.map(), out);
  const std::size_t text_at = out.size();
  const std::size_t entries = column.kind() == Kind::dictionary ? column.dictionary().size() : 0;
  for (std::size_t i = 0; i < entries; ++i) {
    out += column.dictionary().entry(i);
    out += separator;
  }
  out += column.text();
  const std::size_t text_length = out.size() - text_at;
  if (out.size() - header_at >= piece_length) cuts.push_back(out.size());
  NumberCoding coding;
  if (!column.numbers().empty()) coding = numbers.encode(column.numbers(), out, cuts);
  char* const header = out.data() + header_at;
  header[0] = static_cast<char>(column.kind());
  header[1] = static_cast<char>(column.scale());
  header[2] = static_cast<char>(coding.order);
  header[3] = static_cast<char>(coding.width);
  layout::store(header + 4, map);
  layout::store(header + 8, static_cast<std::uint32_t>(entries));
  layout::store(header + 12, static_cast<std::uint32_t>(text_length));
  layout::store(header + 16, static_cast<std::uint64_t>(coding.base));
  layout::store(header + 24, static_cast<std::uint64_t>(coding.step));
}

std::span<const std::size_t> ColumnEncoder::cuts() const { return state_->cuts; }

bool ColumnEncoder::encode(std::string_view rows, std::string& out) {
  State& state = *state_;
  if (rows.size() > layout::max_plain) return false;
  state.columns_count = 0;
  state.rows_count = 0;
  for (std::size_t at = 0; at < rows.size();) {
    if (!state.split_block(rows, at)) return false;
    if (state.rows_count == 0) {
      if (state.columns.size() < state.columns_count) state.columns.resize(state.columns_count);
      for (ColumnBuilder& column : state.columns) column.clear();
    }
    const std::size_t block_rows = state.separators.size() / state.columns_count;
    for (std::size_t i = 0; i < state.columns_count; ++i) state.add_block(state.columns[i], i, block_rows);
    state.rows_count += block_rows;
  }
  out.clear();
  out.resize(layout::chunk_header);
  out[0] = layout::version;
  layout::store(out.data() + 1, static_cast<std::uint32_t>(state.columns_count));
  layout::store(out.data() + 5, static_cast<std::uint32_t>(state.rows_count));
  state.stored_maps.clear();
  state.cuts.clear();
  for (std::size_t i = 0; i < state.columns_count; ++i) {
    state.write(state.columns[i], i + 1 == state.columns_count ? '\n' : '\t', out);
  }
  return true;
}

}  // namespace tmb::repository
