// SPDX-License-Identifier: MIT
#include "backup/cutter.hh"

#include <array>

namespace tmb::backup {

namespace {

// One border for each 256 KiB, on average, behind the least length. Of a sum that loses its oldest byte with
// every shift, the upper bits depend on the last 64 bytes.
constexpr std::uint64_t border_mask = ((std::uint64_t{1} << 18U) - 1) << 40U;

// A number for each byte; any would do that are as good as random (splitmix64).
constexpr std::array<std::uint64_t, 256> make_numbers() {
  std::array<std::uint64_t, 256> out{};
  std::uint64_t state = 0;
  for (std::uint64_t& number : out) {
    state += 0x9e3779b97f4a7c15U;
    std::uint64_t z = state;
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    number = z ^ (z >> 31U);
  }
  return out;
}

constexpr std::array<std::uint64_t, 256> numbers = make_numbers();

}  // namespace

void Cutter::add(std::string_view bytes) {
  std::size_t begin = 0;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    hash_ = (hash_ << 1U) + numbers[static_cast<unsigned char>(bytes[at])];
    const std::size_t length = piece_.size() + at + 1 - begin;
    if (length < least_piece_bytes) continue;
    if ((hash_ & border_mask) != 0 && length < most_piece_bytes) continue;
    piece_.append(bytes.substr(begin, at + 1 - begin));
    begin = at + 1;
    take_(piece_);
    piece_.clear();
  }
  piece_.append(bytes.substr(begin));
}

void Cutter::finish() {
  if (!piece_.empty()) take_(piece_);
  piece_.clear();
}

}  // namespace tmb::backup
