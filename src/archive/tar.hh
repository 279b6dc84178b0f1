// SPDX-License-Identifier: MIT
// The headers of the one kind of tar that a .tmb is: POSIX ustar, regular files of mode 0400 owned by nobody
// in particular. Strict: a header that this program would not have written is not one, which leaves hostile
// archives no room for links, devices, other paths or sizes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tmb::archive {

inline constexpr std::size_t tar_block_bytes = 512;
// Two blocks of zeros.
inline constexpr std::size_t tar_end_bytes = 2 * tar_block_bytes;

struct TarMember {
  std::string name;  // at most 99 bytes
  std::uint64_t size = 0;
  std::int64_t time = 0;  // seconds since 1970, not negative
};

using TarBlock = std::array<char, tar_block_bytes>;

// Throws internal for a name or size that does not fit.
TarBlock tar_header(const TarMember& member);

// nullopt for any block that tar_header does not write.
std::optional<TarMember> parse_tar_header(std::string_view block);

// Zeros that follow a member of `size` bytes.
inline std::size_t tar_padding(std::uint64_t size) {
  return static_cast<std::size_t>((tar_block_bytes - size % tar_block_bytes) % tar_block_bytes);
}

}  // namespace tmb::archive
