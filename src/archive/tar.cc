// SPDX-License-Identifier: MIT
#include "archive/tar.hh"

#include <algorithm>
#include <numeric>

#include "base/error.hh"

namespace tmb::archive {

namespace {

struct Field {
  std::size_t at;
  std::size_t bytes;
};

constexpr Field name_field{0, 100};
constexpr Field mode_field{100, 8};
constexpr Field owner_field{108, 8};
constexpr Field group_field{116, 8};
constexpr Field size_field{124, 12};
constexpr Field time_field{136, 12};
constexpr Field checksum_field{148, 8};
constexpr Field type_field{156, 1};
constexpr Field magic_field{257, 8};
constexpr Field major_field{329, 8};
constexpr Field minor_field{337, 8};

constexpr std::uint64_t max_octal = (std::uint64_t{1} << 33U) - 1;  // eleven digits

void put(TarBlock& block, Field field, std::string_view text) {
  std::copy(text.begin(), text.end(), block.begin() + static_cast<std::ptrdiff_t>(field.at));
}

// Digits to the last byte but one, which stays NUL.
void put_octal(TarBlock& block, Field field, std::uint64_t number) {
  for (std::size_t i = field.at + field.bytes - 1; i-- > field.at; number >>= 3U) {
    block.at(i) = static_cast<char>('0' + (number & 7U));
  }
}

std::optional<std::uint64_t> read_octal(std::string_view block, Field field) {
  std::uint64_t number = 0;
  for (const char c : block.substr(field.at, field.bytes - 1)) {
    if (c < '0' || c > '7') return std::nullopt;
    number = number << 3U | static_cast<std::uint64_t>(c - '0');
  }
  return number;
}

}  // namespace

TarBlock tar_header(const TarMember& member) {
  const bool fits = !member.name.empty() && member.name.size() < name_field.bytes &&
                    member.size <= max_octal && member.time >= 0 &&
                    static_cast<std::uint64_t>(member.time) <= max_octal;
  if (!fits) throw base::Error(base::ExitCode::internal, "a tar cannot hold " + base::printable(member.name));
  TarBlock block{};
  put(block, name_field, member.name);
  put_octal(block, mode_field, 0400);
  put_octal(block, owner_field, 0);
  put_octal(block, group_field, 0);
  put_octal(block, size_field, member.size);
  put_octal(block, time_field, static_cast<std::uint64_t>(member.time));
  put(block, type_field, "0");
  put(block, magic_field, std::string_view("ustar\00000", magic_field.bytes));
  put_octal(block, major_field, 0);
  put_octal(block, minor_field, 0);
  // The sum counts its own field as blanks; six digits, NUL, blank.
  put(block, checksum_field, "        ");
  const unsigned sum = std::accumulate(block.begin(), block.end(), 0U, [](unsigned total, char c) {
    return total + static_cast<unsigned char>(c);
  });
  put_octal(block, {checksum_field.at, checksum_field.bytes - 1}, sum);
  block.at(checksum_field.at + 6) = '\0';
  return block;
}

std::optional<TarMember> parse_tar_header(std::string_view block) {
  if (block.size() != tar_block_bytes) return std::nullopt;
  TarMember member;
  member.name = block.substr(0, std::min(block.find('\0'), name_field.bytes));
  const auto size = read_octal(block, size_field);
  const auto time = read_octal(block, time_field);
  if (member.name.empty() || member.name.size() >= name_field.bytes || !size || !time) return std::nullopt;
  member.size = *size;
  member.time = static_cast<std::int64_t>(*time);
  const TarBlock canonical = tar_header(member);
  if (block != std::string_view(canonical.data(), canonical.size())) return std::nullopt;
  return member;
}

}  // namespace tmb::archive
