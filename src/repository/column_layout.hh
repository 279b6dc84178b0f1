// SPDX-License-Identifier: MIT
// The constants of the encoded form that encoder and decoder share; columns.hh describes it.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tmb::repository::layout {

inline constexpr char version = 1;
inline constexpr std::size_t chunk_header = 9;
inline constexpr std::size_t column_header = 32;
inline constexpr std::size_t max_columns = 1664;  // of a PostgreSQL tuple (MaxTupleAttributeNumber)
inline constexpr std::size_t max_plain = std::size_t{64} << 20U;
inline constexpr std::size_t max_entries = 255;

enum class Kind : std::uint8_t { text, dictionary, decimal, trimmed, timestamp, timestamp_zone, date };
enum Cell : std::uint8_t { number = 0, null = 1, text = 2 };  // the bytes of a map
inline constexpr std::uint32_t first_stored_map = 3;

template <typename T>
T load(const char* p) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>(value | (static_cast<T>(static_cast<unsigned char>(p[i])) << (8 * i)));
  }
  return value;
}

template <typename T>
void store(char* p, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) p[i] = static_cast<char>(value >> (8 * i));
}

}  // namespace tmb::repository::layout
