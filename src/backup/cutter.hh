// SPDX-License-Identifier: MIT
// Cuts a stream into pieces where its content says so: bytes that come in or go out move the borders near
// them and no others, so most pieces of tonight's stream are last night's. Private to backup/.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace tmb::backup {

inline constexpr std::size_t least_piece_bytes = std::size_t{64} << 10U;
inline constexpr std::size_t most_piece_bytes = std::size_t{2} << 20U;

class Cutter {
 public:
  explicit Cutter(std::function<void(std::string_view)> take) : take_(std::move(take)) {}
  void add(std::string_view bytes);
  void finish();  // the last piece, however short

 private:
  std::function<void(std::string_view)> take_;
  std::string piece_;
  std::uint64_t hash_ = 0;
};

}  // namespace tmb::backup
