// SPDX-License-Identifier: MIT
#include "repository/column_builder.hh"

#include <algorithm>

namespace tmb::repository {

using layout::Kind;

void Dictionary::clear() {
  text_.clear();
  entries_.clear();
  table_.fill(-1);
  last_ = -1;
}

int Dictionary::find_or_add(const char* cell, std::size_t length) {
  const std::uint64_t mask = length < 8 ? (std::uint64_t{1} << (8 * length)) - 1 : ~std::uint64_t{0};
  const std::uint64_t start = cells::load8(cell) & mask;
  if (is(last_, start, cell, length)) return last_;
  std::uint64_t hash = length * 0x9E3779B97F4A7C15;
  for (std::size_t i = 0; i < length; ++i)
    hash = (hash ^ static_cast<unsigned char>(cell[i])) * 0x100000001B3;
  std::size_t slot = (hash >> 32U) % slots;
  for (; table_[slot] >= 0; slot = (slot + 1) % slots) {
    if (!is(table_[slot], start, cell, length)) continue;
    last_ = table_[slot];
    return last_;
  }
  if (entries_.size() == layout::max_entries) return -1;
  last_ = static_cast<int>(entries_.size());
  table_[slot] = static_cast<std::int16_t>(last_);
  entries_.push_back({start, text_.size(), length});
  text_.append(cell, length);
  return last_;
}

void ColumnBuilder::clear() {
  decided_ = false;
  kind_ = Kind::text;
  scale_ = 0;
  scale_limit_ = cells::max_scale;
  trailing_zero_ = false;
  exceptions_ = 0;
  numbers_.clear();
  text_.clear();
  map_.clear();
}

void ColumnBuilder::add_text(const char* block, const BlockCell& cell) {
  std::memcpy(text_.grow(cell.length + 1), block + cell.start, cell.length + 1);
}

// Decides what the column holds from the cells of its first block.
void ColumnBuilder::decide(const char* block, std::span<const BlockCell> given) {
  decided_ = true;
  const std::size_t looked_at = std::min<std::size_t>(given.size(), 256);
  const std::size_t enough = looked_at - looked_at / 8;
  std::array<std::size_t, 3> matches{};
  std::int64_t value = 0;
  for (std::size_t i = 0; i < looked_at; ++i) {
    const BlockCell& cell = given[i];
    const char* const text = block + cell.start;
    if (day_.parse_timestamp(text, cell.length, false, value)) ++matches[0];
    if (day_.parse_timestamp(text, cell.length, true, value)) ++matches[1];
    if (cell.length == 10 && cells::parse_date(text, value)) ++matches[2];
  }
  kind_ = Kind::text;
  if (matches[0] >= enough) {
    kind_ = Kind::timestamp;
  } else if (matches[1] >= enough) {
    kind_ = Kind::timestamp_zone;
  } else if (matches[2] >= enough) {
    kind_ = Kind::date;
  } else if (!decide_decimal(block, given)) {
    dictionary_.clear();
    for (std::size_t i = 0; i < looked_at; ++i) {
      dictionary_.find_or_add(block + given[i].start, given[i].length);
    }
    if (dictionary_.size() <= 1 + looked_at / 4) kind_ = Kind::dictionary;
  }
  if (kind_ == Kind::timestamp || kind_ == Kind::timestamp_zone) scale_ = 6;
}

bool ColumnBuilder::decide_decimal(const char* block, std::span<const BlockCell> given) {
  const std::size_t looked_at = std::min<std::size_t>(given.size(), 256);
  std::array<std::size_t, cells::max_scale + 1> scales{};
  std::size_t decimals = 0;
  bool trailing_zero = false;
  for (std::size_t i = 0; i < looked_at; ++i) {
    cells::Decimal decimal;
    if (!cells::parse_decimal(block + given[i].start, given[i].length, decimal)) continue;
    ++decimals;
    ++scales[decimal.scale];
    trailing_zero = trailing_zero || decimal.trailing_zero;
  }
  const std::size_t enough = looked_at - looked_at / 8;
  if (decimals < enough) return false;
  const auto most = std::max_element(scales.begin(), scales.end());
  if (*most == decimals || (trailing_zero && *most >= enough)) {
    kind_ = Kind::decimal;
    scale_ = static_cast<unsigned>(most - scales.begin());
    trailing_zero_ = trailing_zero;
  } else if (!trailing_zero) {
    kind_ = Kind::trimmed;
    std::size_t within = 0;
    while ((within += scales[scale_]) < decimals - decimals / 16) ++scale_;
  } else {
    return false;
  }
  return true;
}

// Makes room for decimals of `scale` digits; false when the values so far would not fit.
bool ColumnBuilder::rescale(std::span<std::int64_t> so_far, unsigned scale) {
  const auto factor = static_cast<std::int64_t>(cells::power_of_ten[scale - scale_]);
  const std::int64_t limit = static_cast<std::int64_t>(cells::power_of_ten[cells::max_digits]) / factor;
  const auto fits = [&](std::int64_t value) { return value <= limit && value >= -limit; };
  if (!std::all_of(so_far.begin(), so_far.end(), fits)) {
    scale_limit_ = scale - 1;
    return false;
  }
  for (std::int64_t& value : so_far) value *= factor;
  scale_ = scale;
  return true;
}

// What the quick parsers do not take. A column of one scale becomes one without trailing zeros, or gets
// a larger scale, when too many cells would be exceptions; a rare odd cell must not widen all others.
bool ColumnBuilder::parse_odd_decimal(const char* cell, std::size_t length, std::int64_t& value) {
  cells::Decimal decimal;
  if (!cells::parse_decimal(cell, length, decimal)) return false;
  if (kind_ == Kind::decimal && decimal.scale == scale_) {
    value = decimal.value;
    return true;
  }
  if (decimal.trailing_zero || trailing_zero_ || decimal.scale > scale_limit_) return false;
  const std::span so_far(numbers_.data(), &value);
  const bool fits = kind_ == Kind::trimmed && decimal.scale <= scale_;
  if (!fits && 16 * exceptions_ <= so_far.size()) return false;
  if (kind_ == Kind::decimal) {
    const auto trailing_zero = [](std::int64_t number) { return number % 10 == 0; };
    trailing_zero_ = scale_ > 0 && std::any_of(so_far.begin(), so_far.end(), trailing_zero);
    if (trailing_zero_) return false;
    kind_ = Kind::trimmed;
  }
  if (decimal.scale > scale_ && !rescale(so_far, decimal.scale)) return false;
  const auto factor = static_cast<std::int64_t>(cells::power_of_ten[scale_ - decimal.scale]);
  const std::int64_t limit = static_cast<std::int64_t>(cells::power_of_ten[cells::max_digits]) / factor;
  if (decimal.value > limit || decimal.value < -limit) return false;
  value = decimal.value * factor;
  return true;
}

template <typename Parse>
void ColumnBuilder::parse_cells(const char* block, std::span<const BlockCell> given, std::uint8_t* map,
                                Parse parse) {
  std::int64_t* value = numbers_.grow(given.size());
  std::size_t refused = 0;
  for (const BlockCell& cell : given) {
    if (parse(block + cell.start, cell.length, *value)) [[likely]] {
      ++value;
    } else {
      map[cell.row] = layout::text;
      add_text(block, cell);
      ++exceptions_;
      ++refused;
    }
  }
  numbers_.shrink(refused);
}

template <unsigned Scale>
void ColumnBuilder::add_decimals_of_scale(const char* block, std::span<const BlockCell> given,
                                          std::uint8_t* map) {
  parse_cells(block, given, map, [&](const char* cell, std::size_t length, std::int64_t& value) {
    // An odd cell may have changed what the column is.
    const bool still = kind_ == Kind::decimal && scale_ == Scale;
    return (still && cells::parse_decimal_of_scale(cell, length, Scale, value)) ||
           parse_odd_decimal(cell, length, value);
  });
}

void ColumnBuilder::add_decimals(const char* block, std::span<const BlockCell> given, std::uint8_t* map) {
  switch (scale_) {
    case 0: return add_decimals_of_scale<0>(block, given, map);
    case 1: return add_decimals_of_scale<1>(block, given, map);
    case 2: return add_decimals_of_scale<2>(block, given, map);
    case 6: return add_decimals_of_scale<6>(block, given, map);
    default:
      return parse_cells(block, given, map, [&](const char* cell, std::size_t length, std::int64_t& value) {
        return (kind_ == Kind::decimal && cells::parse_decimal_of_scale(cell, length, scale_, value)) ||
               parse_odd_decimal(cell, length, value);
      });
  }
}

void ColumnBuilder::add_cells(const char* block, std::span<const BlockCell> given, std::uint8_t* map) {
  if (given.empty()) return;
  if (!decided_) decide(block, given);
  switch (kind_) {
    case Kind::text:
      for (const BlockCell& cell : given) {
        map[cell.row] = layout::text;
        add_text(block, cell);
      }
      return;
    case Kind::dictionary:
      return parse_cells(block, given, map, [&](const char* cell, std::size_t length, std::int64_t& value) {
        value = dictionary_.find_or_add(cell, length);
        return value >= 0;
      });
    case Kind::decimal: return add_decimals(block, given, map);
    case Kind::trimmed:
      return parse_cells(block, given, map, [&](const char* cell, std::size_t length, std::int64_t& value) {
        return (scale_ <= 8 && cells::parse_trimmed_decimal(cell, length, scale_, value)) ||
               parse_odd_decimal(cell, length, value);
      });
    case Kind::timestamp:
    case Kind::timestamp_zone: {
      const bool zone = kind_ == Kind::timestamp_zone;
      return parse_cells(block, given, map, [&](const char* cell, std::size_t length, std::int64_t& value) {
        return day_.parse_timestamp(cell, length, zone, value);
      });
    }
    case Kind::date:
      return parse_cells(block, given, map, [](const char* cell, std::size_t length, std::int64_t& value) {
        return length == 10 && cells::parse_date(cell, value);
      });
  }
}

void ColumnBuilder::finish() {
  if (kind_ != Kind::timestamp && kind_ != Kind::timestamp_zone) return;
  // From microseconds to seconds or milliseconds where nothing is lost.
  for (const unsigned scale : {0U, 3U}) {
    const auto factor = static_cast<std::int64_t>(cells::power_of_ten[scale_ - scale]);
    const std::span values = numbers_.span();
    if (!std::all_of(values.begin(), values.end(), [&](std::int64_t value) { return value % factor == 0; }))
      continue;
    for (std::int64_t& value : values) value /= factor;
    scale_ = scale;
    return;
  }
}

}  // namespace tmb::repository
