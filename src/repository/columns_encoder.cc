// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <vector>

#include "repository/column_cells.hh"
#include "repository/column_layout.hh"
#include "repository/column_numbers.hh"
#include "repository/column_split.hh"
#include "repository/columns.hh"

namespace tmb::repository {

namespace {

using layout::Kind;

// The cells of one column in one block that are not NULL.
struct BlockCell {
  std::uint32_t start, length, row;
};

class Dictionary {
 public:
  void clear();
  // Index of the cell's entry, made if it is new; -1 when the dictionary is full.
  int find_or_add(const char* cell, std::size_t length);
  std::size_t size() const { return entries_.size(); }
  std::string_view entry(std::size_t i) const { return std::string_view(text_).substr(entries_[i].at, entries_[i].length); }

 private:
  struct Entry {
    std::size_t at, length;
  };
  static constexpr std::size_t slots = 1024;

  bool is(int index, const char* cell, std::size_t length) const {
    return index >= 0 && entry(static_cast<std::size_t>(index)) == std::string_view(cell, length);
  }

  std::string text_;
  std::vector<Entry> entries_;
  std::array<std::int16_t, slots> table_{};  // open addressing; -1 is free
  int last_ = -1;
};

struct Column {
  bool decided = false;  // kind is known: a cell that is not NULL was seen
  Kind kind = Kind::text;
  unsigned scale = 0;
  bool trailing_zero = false;      // a decimal with one is known: the column is not trimmed
  std::size_t exceptions = 0;      // cells kept as text
  Dictionary dictionary;
  cells::DayCache day;
  Grown<std::int64_t> values;
  Grown<char> text;
  Grown<std::uint8_t> map;

  void clear();
};

void Dictionary::clear() {
  text_.clear();
  entries_.clear();
  table_.fill(-1);
  last_ = -1;
}

int Dictionary::find_or_add(const char* cell, std::size_t length) {
  if (is(last_, cell, length)) return last_;
  std::uint64_t hash = length * 0x9E3779B97F4A7C15;
  for (std::size_t i = 0; i < length; ++i) hash = (hash ^ static_cast<unsigned char>(cell[i])) * 0x100000001B3;
  std::size_t slot = (hash >> 32U) % slots;
  while (table_[slot] >= 0) {
    last_ = table_[slot];
    if (is(last_, cell, length)) return last_;
    slot = (slot + 1) % slots;
  }
  if (entries_.size() == layout::max_entries) return -1;
  last_ = static_cast<int>(entries_.size());
  table_[slot] = static_cast<std::int16_t>(last_);
  entries_.push_back({text_.size(), length});
  text_.append(cell, length);
  return last_;
}

void Column::clear() {
  decided = false;
  kind = Kind::text;
  scale = 0;
  trailing_zero = false;
  exceptions = 0;
  values.clear();
  text.clear();
  map.clear();
}

// Makes room for decimals of `scale` digits; false when the values so far would not fit.
bool rescale(Column& column, std::span<std::int64_t> so_far, unsigned scale) {
  const auto factor = static_cast<std::int64_t>(cells::power_of_ten[scale - column.scale]);
  const std::int64_t limit = static_cast<std::int64_t>(cells::power_of_ten[cells::max_digits]) / factor;
  const auto fits = [&](std::int64_t value) { return value <= limit && value >= -limit; };
  if (!std::all_of(so_far.begin(), so_far.end(), fits)) return false;
  for (std::int64_t& value : so_far) value *= factor;
  column.scale = scale;
  return true;
}

// What the quick parsers do not take. A column of one scale becomes one without trailing zeros, or gets
// a larger scale, when too many cells would be exceptions; a rare odd cell must not widen all others.
bool parse_odd_decimal(Column& column, const char* cell, std::size_t length, std::int64_t& value) {
  cells::Decimal decimal;
  if (!cells::parse_decimal(cell, length, decimal)) return false;
  if (column.kind == Kind::decimal && decimal.scale == column.scale) {
    value = decimal.value;
    return true;
  }
  if (decimal.trailing_zero || column.trailing_zero) return false;
  const std::span so_far(column.values.data(), &value);
  const bool fits = column.kind == Kind::trimmed && decimal.scale <= column.scale;
  if (!fits && 16 * column.exceptions <= so_far.size()) return false;
  if (column.kind == Kind::decimal) {
    const auto trailing_zero = [](std::int64_t number) { return number % 10 == 0; };
    column.trailing_zero = column.scale > 0 && std::any_of(so_far.begin(), so_far.end(), trailing_zero);
    if (column.trailing_zero) return false;
    column.kind = Kind::trimmed;
  }
  if (decimal.scale > column.scale && !rescale(column, so_far, decimal.scale)) return false;
  const auto factor = static_cast<std::int64_t>(cells::power_of_ten[column.scale - decimal.scale]);
  const std::int64_t limit = static_cast<std::int64_t>(cells::power_of_ten[cells::max_digits]) / factor;
  if (decimal.value > limit || decimal.value < -limit) return false;
  value = decimal.value * factor;
  return true;
}

// Microseconds to milliseconds or seconds where nothing is lost.
void shorten_timestamps(Column& column) {
  for (const unsigned scale : {0U, 3U}) {
    const auto factor = static_cast<std::int64_t>(cells::power_of_ten[column.scale - scale]);
    const std::span values = column.values.span();
    if (!std::all_of(values.begin(), values.end(), [&](std::int64_t value) { return value % factor == 0; })) continue;
    for (std::int64_t& value : values) value /= factor;
    column.scale = scale;
    return;
  }
}

}  // namespace

struct ColumnEncoder::State {
  bool split_block(std::string_view rows, std::size_t& at);
  void add_block(Column& column, std::size_t index, std::size_t rows);
  void decide(Column& column);
  bool decide_decimal(Column& column);
  void add_numbers(Column& column, std::uint8_t* map);
  template <unsigned Scale>
  void add_decimals_of_scale(Column& column, std::uint8_t* map);
  void add_decimals(Column& column, std::uint8_t* map);
  template <typename Parse>
  void parse_cells(Column& column, std::uint8_t* map, Parse parse);
  void add_text(Column& column, const BlockCell& cell) const;
  void write(Column& column, std::string& out);
  std::uint32_t write_map(const Column& column, std::string& out);

  std::vector<Column> columns;  // the first columns_count are of this chunk
  std::size_t columns_count = 0;
  std::size_t rows_count = 0;
  const char* block = nullptr;  // its text, with `cells::slack` readable bytes behind it
  std::string padded;           // the last block, which has nothing behind it
  SeparatorList separators;     // of the block
  std::vector<BlockCell> block_cells;
  std::size_t cells_count = 0;
  char separator = '\t';
  NumberEncoder numbers;
  std::vector<const Column*> stored_maps;
};

ColumnEncoder::ColumnEncoder() : state_(std::make_unique<State>()) {}
ColumnEncoder::~ColumnEncoder() = default;
ColumnEncoder::ColumnEncoder(ColumnEncoder&&) noexcept = default;
ColumnEncoder& ColumnEncoder::operator=(ColumnEncoder&&) noexcept = default;

// Takes the next block of whole rows, at least one; false when the text is not rectangular.
bool ColumnEncoder::State::split_block(std::string_view rows, std::size_t& at) {
  constexpr std::size_t block_length = 48 << 10;
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

void ColumnEncoder::State::add_text(Column& column, const BlockCell& cell) const {
  char* const out = column.text.grow(cell.length + 1);
  std::memcpy(out, block + cell.start, cell.length + 1);  // the separator comes with it
}

// Adds the cells of column `index` in the present block.
void ColumnEncoder::State::add_block(Column& column, std::size_t index, std::size_t rows) {
  separator = index + 1 == columns_count ? '\n' : '\t';
  std::uint8_t* const map = column.map.grow(rows);
  if (block_cells.size() < rows) block_cells.resize(rows);
  cells_count = 0;
  for (std::size_t row = 0; row < rows; ++row) {
    const std::size_t i = row * columns_count + index;
    const std::uint32_t start = separators.start(i);
    const std::uint32_t length = separators[i] - start;
    // Written down always and counted only when it is a cell: a branch here would be hard to predict.
    const bool null = (length == 2) & (block[start] == '\\') & (block[start + 1] == 'N');
    map[row] = null ? layout::null : layout::number;
    block_cells[cells_count] = {start, length, static_cast<std::uint32_t>(row)};
    cells_count += null ? 0 : 1;
  }
  if (cells_count == 0) return;
  if (!column.decided) decide(column);
  add_numbers(column, map);
}

// Decides what the column holds from the cells of its first block.
void ColumnEncoder::State::decide(Column& column) {
  column.decided = true;
  const std::size_t looked_at = std::min<std::size_t>(cells_count, 256);
  const std::size_t enough = looked_at - looked_at / 8;
  std::array<std::size_t, 3> matches{};
  std::int64_t value = 0;
  for (std::size_t i = 0; i < looked_at; ++i) {
    const BlockCell& cell = block_cells[i];
    const char* const text = block + cell.start;
    if (column.day.parse_timestamp(text, cell.length, false, value)) ++matches[0];
    if (column.day.parse_timestamp(text, cell.length, true, value)) ++matches[1];
    if (cell.length == 10 && cells::parse_date(text, value)) ++matches[2];
  }
  column.kind = Kind::text;
  if (matches[0] >= enough) {
    column.kind = Kind::timestamp;
  } else if (matches[1] >= enough) {
    column.kind = Kind::timestamp_zone;
  } else if (matches[2] >= enough) {
    column.kind = Kind::date;
  } else if (!decide_decimal(column)) {
    column.dictionary.clear();
    for (std::size_t i = 0; i < looked_at; ++i) {
      column.dictionary.find_or_add(block + block_cells[i].start, block_cells[i].length);
    }
    if (column.dictionary.size() <= 1 + looked_at / 4) column.kind = Kind::dictionary;
  }
  if (column.kind == Kind::timestamp || column.kind == Kind::timestamp_zone) column.scale = 6;
}

bool ColumnEncoder::State::decide_decimal(Column& column) {
  const std::size_t looked_at = std::min<std::size_t>(cells_count, 256);
  std::array<std::size_t, cells::max_scale + 1> scales{};
  std::size_t decimals = 0;
  bool trailing_zero = false;
  for (std::size_t i = 0; i < looked_at; ++i) {
    cells::Decimal decimal;
    if (!cells::parse_decimal(block + block_cells[i].start, block_cells[i].length, decimal)) continue;
    ++decimals;
    ++scales[decimal.scale];
    trailing_zero = trailing_zero || decimal.trailing_zero;
  }
  const std::size_t enough = looked_at - looked_at / 8;
  if (decimals < enough) return false;
  const auto most = std::max_element(scales.begin(), scales.end());
  if (*most == decimals || (trailing_zero && *most >= enough)) {
    column.kind = Kind::decimal;
    column.scale = static_cast<unsigned>(most - scales.begin());
    column.trailing_zero = trailing_zero;
  } else if (!trailing_zero) {
    column.kind = Kind::trimmed;
    std::size_t within = 0;
    while ((within += scales[column.scale]) < decimals - decimals / 16) ++column.scale;
  } else {
    return false;
  }
  return true;
}

template <typename Parse>
void ColumnEncoder::State::parse_cells(Column& column, std::uint8_t* map, Parse parse) {
  std::int64_t* value = column.values.grow(cells_count);
  std::size_t refused = 0;
  for (std::size_t i = 0; i < cells_count; ++i) {
    const BlockCell& cell = block_cells[i];
    if (parse(block + cell.start, cell.length, *value)) [[likely]] {
      ++value;
    } else {
      map[cell.row] = layout::text;
      add_text(column, cell);
      ++column.exceptions;
      ++refused;
    }
  }
  column.values.shrink(refused);
}

template <unsigned Scale>
void ColumnEncoder::State::add_decimals_of_scale(Column& column, std::uint8_t* map) {
  parse_cells(column, map, [&](const char* cell, std::size_t length, std::int64_t& value) {
    // An odd cell may have changed what the column is.
    const bool still = column.kind == Kind::decimal && column.scale == Scale;
    return (still && cells::parse_decimal_of_scale(cell, length, Scale, value)) ||
           parse_odd_decimal(column, cell, length, value);
  });
}

void ColumnEncoder::State::add_decimals(Column& column, std::uint8_t* map) {
  switch (column.scale) {
    case 0: return add_decimals_of_scale<0>(column, map);
    case 1: return add_decimals_of_scale<1>(column, map);
    case 2: return add_decimals_of_scale<2>(column, map);
    case 6: return add_decimals_of_scale<6>(column, map);
    default:
      return parse_cells(column, map, [&](const char* cell, std::size_t length, std::int64_t& value) {
        return (column.kind == Kind::decimal && cells::parse_decimal_of_scale(cell, length, column.scale, value)) ||
               parse_odd_decimal(column, cell, length, value);
      });
  }
}

void ColumnEncoder::State::add_numbers(Column& column, std::uint8_t* map) {
  switch (column.kind) {
    case Kind::text:
      for (std::size_t i = 0; i < cells_count; ++i) {
        map[block_cells[i].row] = layout::text;
        add_text(column, block_cells[i]);
      }
      return;
    case Kind::dictionary:
      return parse_cells(column, map, [&](const char* cell, std::size_t length, std::int64_t& value) {
        value = column.dictionary.find_or_add(cell, length);
        return value >= 0;
      });
    case Kind::decimal: return add_decimals(column, map);
    case Kind::trimmed:
      return parse_cells(column, map, [&](const char* cell, std::size_t length, std::int64_t& value) {
        return cells::parse_trimmed_decimal(cell, length, column.scale, value) ||
               parse_odd_decimal(column, cell, length, value);
      });
    case Kind::timestamp:
    case Kind::timestamp_zone: {
      const bool zone = column.kind == Kind::timestamp_zone;
      return parse_cells(column, map, [&](const char* cell, std::size_t length, std::int64_t& value) {
        return column.day.parse_timestamp(cell, length, zone, value);
      });
    }
    case Kind::date:
      return parse_cells(column, map, [](const char* cell, std::size_t length, std::int64_t& value) {
        return length == 10 && cells::parse_date(cell, value);
      });
  }
}

// The number of the column's map; appends it when it is none of those before it.
std::uint32_t ColumnEncoder::State::write_map(const Column& column, std::string& out) {
  const std::uint8_t* const map = column.map.data();
  const std::size_t count = column.map.size();
  if (std::memcmp(map, map + 1, count - 1) == 0) return map[0];
  for (std::size_t i = 0; i < stored_maps.size(); ++i) {
    if (std::memcmp(stored_maps[i]->map.data(), map, count) == 0) {
      return layout::first_stored_map + static_cast<std::uint32_t>(i);
    }
  }
  out.append(reinterpret_cast<const char*>(map), count);
  stored_maps.push_back(&column);
  return layout::first_stored_map + static_cast<std::uint32_t>(stored_maps.size() - 1);
}

void ColumnEncoder::State::write(Column& column, std::string& out) {
  const std::size_t header_at = out.size();
  out.resize(header_at + layout::column_header);
  const std::uint32_t map = write_map(column, out);
  const std::size_t text_at = out.size();
  if (column.kind == Kind::dictionary) {
    for (std::size_t i = 0; i < column.dictionary.size(); ++i) {
      out += column.dictionary.entry(i);
      out += separator;
    }
  }
  out.append(column.text.data(), column.text.size());
  const std::size_t text_length = out.size() - text_at;
  NumberCoding coding;
  if (column.values.size() > 0) {
    if (column.kind == Kind::timestamp || column.kind == Kind::timestamp_zone) shorten_timestamps(column);
    coding = numbers.encode(column.values.span(), out);
  }
  char* const header = out.data() + header_at;
  header[0] = static_cast<char>(column.kind);
  header[1] = static_cast<char>(column.scale);
  header[2] = static_cast<char>(coding.order);
  header[3] = static_cast<char>(coding.width);
  layout::store(header + 4, map);
  const std::size_t entries = column.kind == Kind::dictionary ? column.dictionary.size() : 0;
  layout::store(header + 8, static_cast<std::uint32_t>(entries));
  layout::store(header + 12, static_cast<std::uint32_t>(text_length));
  layout::store(header + 16, static_cast<std::uint64_t>(coding.base));
  layout::store(header + 24, static_cast<std::uint64_t>(coding.step));
}

bool ColumnEncoder::encode(std::string_view rows, std::string& out) {
  State& state = *state_;
  if (rows.size() > layout::max_plain) return false;
  state.columns_count = 0;
  state.rows_count = 0;
  for (std::size_t at = 0; at < rows.size();) {
    if (!state.split_block(rows, at)) return false;
    if (state.rows_count == 0) {
      if (state.columns.size() < state.columns_count) state.columns.resize(state.columns_count);
      for (Column& column : state.columns) column.clear();
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
  for (std::size_t i = 0; i < state.columns_count; ++i) {
    state.separator = i + 1 == state.columns_count ? '\n' : '\t';
    state.write(state.columns[i], out);
  }
  return true;
}

}  // namespace tmb::repository
