// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.hh"
#include "repository/column_cells.hh"
#include "repository/column_layout.hh"
#include "repository/column_numbers.hh"
#include "repository/columns.hh"

namespace tmb::repository {

namespace {

using layout::Kind;

[[noreturn]] void damaged(const char* why) {
  throw base::Error(base::ExitCode::damaged, std::string("column codec: ") + why);
}

using Slot = std::array<char, cells::slack>;

// Where the cells of the present block come from: places of column 0 in State::pieces.
struct Rows {
  std::vector<std::uint16_t> number, null, text;
};

struct Map {
  const char* bytes = nullptr;  // nullptr: the same for all rows
  std::size_t numbers = 0;
  std::size_t texts = 0;
  Rows block;
};

struct Column {
  Kind kind = Kind::text;
  unsigned scale = 0;
  char separator = '\t';
  std::size_t map = 0;
  const char* text = nullptr;
  const char* text_end = nullptr;
  NumberReader numbers;
  cells::DayCache day;
  std::vector<std::string_view> entries;  // with their separators
};

constexpr std::size_t cells_per_block = 1024;

constexpr Slot null_tab_slot{'\\', 'N', '\t'};
constexpr Slot null_newline_slot{'\\', 'N', '\n'};
constexpr std::string_view null_tab(null_tab_slot.data(), 3);
constexpr std::string_view null_newline(null_newline_slot.data(), 3);

// Masks of the first bytes, by their number. Which byte of the integers comes first does not matter: all
// three are loaded from memory alike.
using Pair = std::array<std::uint64_t, 2>;
static_assert(sizeof(Pair) == sizeof(Slot) / 2);
constexpr auto first_bytes = [] {
  std::array<Pair, sizeof(Pair) + 1> masks{};
  for (std::size_t length = 0; length < masks.size(); ++length) {
    std::array<unsigned char, sizeof(Pair)> bytes{};
    for (std::size_t i = 0; i < length; ++i) bytes[i] = 0xFF;
    masks[length] = std::bit_cast<Pair>(bytes);
  }
  return masks;
}();

// A lambda is compiled into the loop that calls it; a pointer to the function would not be.
template <unsigned Scale, bool Trimmed>
constexpr auto format_of_scale =
    [](std::int64_t value, char* out) { return cells::format_decimal<Scale, Trimmed>(value, out); };

}  // namespace

struct ColumnDecoder::State {
  std::size_t open(std::string_view encoded, std::size_t plain_length);
  std::size_t open_column(std::string_view encoded, std::size_t at, Column& column);
  void select_rows(std::size_t first, std::size_t count);
  void fill(Column& column, std::size_t index);
  void put(std::size_t place, std::string_view piece);
  char* copy_pieces(std::size_t count, char* cursor, const char* end) const;
  const char* same_pieces(std::size_t count, const char* cursor, const char* end) const;
  template <typename Take>
  bool decode_blocks(Take take);
  void fill_numbers(Column& column, std::size_t index, const std::vector<std::uint16_t>& block_rows);
  void fill_texts(Column& column, std::size_t index, const std::vector<std::uint16_t>& block_rows);
  template <typename Format>
  void format(const Column& column, std::size_t index, const std::vector<std::uint16_t>& block_rows,
              Format write);
  template <bool Trimmed>
  void format_decimals(const Column& column, std::size_t index, const std::vector<std::uint16_t>& block_rows);

  std::size_t rows = 0;
  std::size_t columns_count = 0;
  std::size_t maps_count = 0;
  std::vector<Column> columns;  // the first columns_count are of this chunk
  std::vector<Map> maps;
  // Of one block, row after row: a cell with its separator, which a whole slot can be read from if it is
  // no longer than one; and room to format it.
  std::vector<std::string_view> pieces;
  std::vector<Slot> slots;
  const char* encoded_end = nullptr;
  std::vector<std::int64_t> values;
};

ColumnDecoder::ColumnDecoder() : state_(std::make_unique<State>()) {}
ColumnDecoder::~ColumnDecoder() = default;
ColumnDecoder::ColumnDecoder(ColumnDecoder&&) noexcept = default;
ColumnDecoder& ColumnDecoder::operator=(ColumnDecoder&&) noexcept = default;

std::size_t ColumnDecoder::State::open_column(std::string_view encoded, std::size_t at, Column& column) {
  if (encoded.size() - at < layout::column_header) damaged("a column header is cut off");
  const char* const header = encoded.data() + at;
  at += layout::column_header;
  NumberCoding coding;
  const auto kind = static_cast<std::uint8_t>(header[0]);
  column.scale = static_cast<std::uint8_t>(header[1]);
  coding.order = static_cast<std::uint8_t>(header[2]);
  coding.width = static_cast<std::uint8_t>(header[3]);
  column.map = layout::load<std::uint32_t>(header + 4);
  const std::size_t entries = layout::load<std::uint32_t>(header + 8);
  const std::size_t length = layout::load<std::uint32_t>(header + 12);
  coding.base = static_cast<std::int64_t>(layout::load<std::uint64_t>(header + 16));
  coding.step = static_cast<std::int64_t>(layout::load<std::uint64_t>(header + 24));
  if (kind > static_cast<std::uint8_t>(Kind::date)) damaged("unknown kind of column");
  column.kind = static_cast<Kind>(kind);
  const bool timestamp = column.kind == Kind::timestamp || column.kind == Kind::timestamp_zone;
  if (column.scale > (timestamp ? 6 : cells::max_scale) || coding.order > 2 || coding.width > 8 ||
      entries > layout::max_entries || column.map > maps_count) {
    damaged("a column header is malformed");
  }
  if (column.map == maps_count) {
    if (encoded.size() - at < rows) damaged("a map is cut off");
    if (maps.size() == maps_count) maps.emplace_back();
    Map& map = maps[maps_count++];
    map.bytes = encoded.data() + at;
    std::array<std::size_t, 256> counts{};
    for (std::size_t i = 0; i < rows; ++i) ++counts[static_cast<unsigned char>(map.bytes[i])];
    if (counts[0] + counts[1] + counts[2] != rows) damaged("a map is malformed");
    map.numbers = counts[layout::number];
    map.texts = counts[layout::text];
    at += rows;
  }
  if (encoded.size() - at < length) damaged("a column's text is cut off");
  column.text = encoded.data() + at;
  column.text_end = column.text + length;
  at += length;
  column.entries.clear();
  for (std::size_t i = 0; i < entries; ++i) {
    const auto left = static_cast<std::size_t>(column.text_end - column.text);
    const auto* end = static_cast<const char*>(std::memchr(column.text, column.separator, left));
    if (end == nullptr) damaged("a dictionary is cut off");
    column.entries.emplace_back(column.text, static_cast<std::size_t>(end + 1 - column.text));
    column.text = end + 1;
  }
  const std::size_t numbers = maps[column.map].numbers;
  if (column.kind == Kind::text && numbers > 0) damaged("a text column has numbers");
  return at + column.numbers.open(coding, numbers, std::span(encoded).subspan(at));
}

std::size_t ColumnDecoder::State::open(std::string_view encoded, std::size_t plain_length) {
  encoded_end = encoded.data() + encoded.size();
  if (encoded.size() < layout::chunk_header) damaged("the header is cut off");
  if (encoded[0] != layout::version) {
    throw base::Error(base::ExitCode::unsupported, "column codec: the chunk has an unknown version")
        .with_hint("use a newer teslamate-backup");
  }
  columns_count = layout::load<std::uint32_t>(encoded.data() + 1);
  rows = layout::load<std::uint32_t>(encoded.data() + 5);
  if (plain_length > layout::max_plain || columns_count > layout::max_columns ||
      (columns_count == 0) != (rows == 0) || rows > plain_length || rows * columns_count > plain_length) {
    damaged("the header is malformed");
  }
  if (columns.size() < columns_count) columns.resize(columns_count);
  if (maps.empty()) maps.resize(layout::first_stored_map);
  maps_count = layout::first_stored_map;
  maps[layout::number].numbers = rows;
  maps[layout::text].texts = rows;
  std::size_t at = layout::chunk_header;
  for (std::size_t i = 0; i < columns_count; ++i) {
    columns[i].separator = i + 1 == columns_count ? '\n' : '\t';
    at = open_column(encoded, at, columns[i]);
  }
  return at;
}

// Splits the rows of the block that begins at row `first` by where their cells come from.
void ColumnDecoder::State::select_rows(std::size_t first, std::size_t count) {
  for (std::size_t m = 0; m < maps_count; ++m) {
    Map& map = maps[m];
    std::array<std::vector<std::uint16_t>*, 3> lists{&map.block.number, &map.block.null, &map.block.text};
    if (map.bytes == nullptr) {
      std::vector<std::uint16_t>& all = *lists[m];
      all.resize(count);
      for (std::size_t i = 0; i < count; ++i) all[i] = static_cast<std::uint16_t>(i * columns_count);
      continue;
    }
    std::array<std::size_t, 3> lengths_of{};
    for (auto* list : lists) list->resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      const auto cell = static_cast<unsigned char>(map.bytes[first + i]);
      (*lists[cell])[lengths_of[cell]++] = static_cast<std::uint16_t>(i * columns_count);
    }
    for (std::size_t i = 0; i < 3; ++i) lists[i]->resize(lengths_of[i]);
  }
}

// `piece` points into the encoded bytes, and a whole slot cannot be read at the end of those.
void ColumnDecoder::State::put(std::size_t place, std::string_view piece) {
  if (static_cast<std::size_t>(encoded_end - piece.data()) < sizeof(Slot)) {
    char* const slot = slots[place].data();
    std::memcpy(slot, piece.data(), piece.size());
    piece = {slot, piece.size()};
  }
  pieces[place] = piece;
}

void ColumnDecoder::State::fill_texts(Column& column, std::size_t index,
                                      const std::vector<std::uint16_t>& block_rows) {
  for (const std::size_t row : block_rows) {
    const auto left = static_cast<std::size_t>(column.text_end - column.text);
    const auto* end = static_cast<const char*>(std::memchr(column.text, column.separator, left));
    if (end == nullptr) damaged("a column's text is too short");
    put(row + index, {column.text, static_cast<std::size_t>(end + 1 - column.text)});
    column.text = end + 1;
  }
}

template <typename Format>
void ColumnDecoder::State::format(const Column& column, std::size_t index,
                                  const std::vector<std::uint16_t>& block_rows, Format write) {
  std::string_view* const first_piece = pieces.data() + index;
  Slot* const first_slot = slots.data() + index;
  const std::int64_t* const value = values.data();
  const char separator = column.separator;
  const std::size_t count = block_rows.size();
  const std::uint16_t* const row = block_rows.data();
  std::string_view piece;
  for (std::size_t i = 0; i < count; ++i) {
    if (i == 0 || value[i] != value[i - 1]) {
      char* const slot = first_slot[row[i]].data();
      const std::size_t length = write(value[i], slot);
      slot[length] = separator;
      piece = {slot, length + 1};
    }
    first_piece[row[i]] = piece;
  }
}

template <bool Trimmed>
void ColumnDecoder::State::format_decimals(const Column& column, std::size_t index,
                                           const std::vector<std::uint16_t>& block_rows) {
  switch (column.scale) {
    case 0: return format(column, index, block_rows, format_of_scale<0, Trimmed>);
    case 1: return format(column, index, block_rows, format_of_scale<1, Trimmed>);
    case 2: return format(column, index, block_rows, format_of_scale<2, Trimmed>);
    case 3: return format(column, index, block_rows, format_of_scale<3, Trimmed>);
    case 4: return format(column, index, block_rows, format_of_scale<4, Trimmed>);
    case 5: return format(column, index, block_rows, format_of_scale<5, Trimmed>);
    case 6: return format(column, index, block_rows, format_of_scale<6, Trimmed>);
    default:
      return format(column, index, block_rows, [&](std::int64_t value, char* out) {
        return cells::format_wide_decimal(value, column.scale, Trimmed, out);
      });
  }
}

void ColumnDecoder::State::fill_numbers(Column& column, std::size_t index,
                                        const std::vector<std::uint16_t>& block_rows) {
  column.numbers.read(block_rows.size(), values.data());
  switch (column.kind) {
    case Kind::text: return;
    case Kind::dictionary:
      for (std::size_t i = 0; i < block_rows.size(); ++i) {
        const auto entry = static_cast<std::uint64_t>(values[i]);
        if (entry >= column.entries.size()) damaged("a dictionary entry is missing");
        put(block_rows[i] + index, column.entries[entry]);
      }
      return;
    case Kind::decimal: return format_decimals<false>(column, index, block_rows);
    case Kind::trimmed: return format_decimals<true>(column, index, block_rows);
    case Kind::timestamp:
    case Kind::timestamp_zone: {
      const bool zone = column.kind == Kind::timestamp_zone;
      return format(column, index, block_rows, [&](std::int64_t value, char* out) {
        const std::size_t length = column.day.format_timestamp(value, column.scale, zone, out);
        if (length == 0) damaged("a timestamp is out of range");
        return length;
      });
    }
    case Kind::date:
      return format(column, index, block_rows, [](std::int64_t value, char* out) {
        if (value < cells::first_day || value > cells::last_day) damaged("a date is out of range");
        cells::format_date(value, out);
        return std::size_t{10};
      });
  }
}

// Writes the cells of column `index` into the slots of this block.
void ColumnDecoder::State::fill(Column& column, std::size_t index) {
  const Rows& block_rows = maps[column.map].block;
  std::string_view* const first_piece = pieces.data() + index;
  const std::string_view null = column.separator == '\t' ? null_tab : null_newline;
  for (const std::size_t row : block_rows.null) first_piece[row] = null;
  if (!block_rows.text.empty()) fill_texts(column, index, block_rows.text);
  if (!block_rows.number.empty()) fill_numbers(column, index, block_rows.number);
}

// Appends the cells of the block at `cursor`; returns its new place. Writes up to a slot past `end`.
char* ColumnDecoder::State::copy_pieces(std::size_t count, char* cursor, const char* end) const {
  const std::string_view* const piece = pieces.data();
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t length = piece[i].size();
    if (length > static_cast<std::size_t>(end - cursor)) damaged("the text is longer than its length");
    if (length <= sizeof(Slot) / 2) [[likely]] {
      std::memcpy(cursor, piece[i].data(), sizeof(Slot) / 2);
    } else if (length <= sizeof(Slot)) {
      std::memcpy(cursor, piece[i].data(), sizeof(Slot));
    } else {
      std::memcpy(cursor, piece[i].data(), length);
    }
    cursor += length;
  }
  return cursor;
}

// Compares the cells of the block with what stands at `cursor`; returns the place behind them, nullptr when
// they differ.
const char* ColumnDecoder::State::same_pieces(std::size_t count, const char* cursor, const char* end) const {
  const std::string_view* const piece = pieces.data();
  std::uint64_t differing = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t length = piece[i].size();
    const auto left = static_cast<std::size_t>(end - cursor);
    if (length > left) return nullptr;
    if (length <= sizeof(Pair) && left >= sizeof(Pair)) [[likely]] {
      Pair here;
      Pair there;
      std::memcpy(&here, piece[i].data(), sizeof here);
      std::memcpy(&there, cursor, sizeof there);
      const Pair& mask = first_bytes[length];
      differing |= ((here[0] ^ there[0]) & mask[0]) | ((here[1] ^ there[1]) & mask[1]);
    } else if (std::memcmp(piece[i].data(), cursor, length) != 0) {
      return nullptr;
    }
    cursor += length;
  }
  return differing == 0 ? cursor : nullptr;
}

// Has `take` called with the number of pieces of each block, until it returns false; then false.
template <typename Take>
bool ColumnDecoder::State::decode_blocks(Take take) {
  const std::size_t block =
      std::clamp(cells_per_block / std::max<std::size_t>(columns_count, 1), std::size_t{1}, std::size_t{512});
  pieces.resize(block * columns_count);
  slots.resize(block * columns_count);
  values.resize(block);
  for (std::size_t first = 0; first < rows; first += block) {
    const std::size_t count = std::min(block, rows - first);
    select_rows(first, count);
    for (std::size_t i = 0; i < columns_count; ++i) fill(columns[i], i);
    if (!take(count * columns_count)) return false;
  }
  for (std::size_t i = 0; i < columns_count; ++i) {
    if (columns[i].text != columns[i].text_end) damaged("a column has text left over");
  }
  return true;
}

void ColumnDecoder::decode(std::string_view encoded, std::size_t plain_length, std::string& out) {
  State& state = *state_;
  if (state.open(encoded, plain_length) != encoded.size()) damaged("there are bytes after the end");
  out.resize(plain_length + sizeof(Slot));
  char* cursor = out.data();
  const char* const end = cursor + plain_length;
  state.decode_blocks([&](std::size_t count) {
    cursor = state.copy_pieces(count, cursor, end);
    return true;
  });
  if (cursor != end) damaged("the text is shorter than its length");
  out.resize(plain_length);
}

bool ColumnDecoder::decodes_to(std::string_view encoded, std::string_view plain) {
  State& state = *state_;
  if (state.open(encoded, plain.size()) != encoded.size()) damaged("there are bytes after the end");
  const char* cursor = plain.data();
  const char* const end = cursor + plain.size();
  const bool same = state.decode_blocks([&](std::size_t count) {
    cursor = state.same_pieces(count, cursor, end);
    return cursor != nullptr;
  });
  return same && cursor == end;
}

}  // namespace tmb::repository
