// SPDX-License-Identifier: MIT
#include "repository/object_file.hh"

#include <algorithm>

#include "crypto/seal.hh"
#include "crypto/sha256.hh"

namespace tmb::repository::object_file {

namespace {

constexpr std::string_view magic = "TMO1";
constexpr std::size_t hashed_header_bytes = 32;
constexpr unsigned char sealed_flag = 1;

void put_u64(char* at, std::uint64_t value) {
  for (unsigned i = 0; i < 8; ++i) at[i] = static_cast<char>(value >> (8 * i));
}

std::uint64_t get_u64(const char* at) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < 8; ++i) value |= std::uint64_t{static_cast<unsigned char>(at[i])} << (8 * i);
  return value;
}

crypto::Digest checksum_of(std::string_view file) {
  crypto::Sha256 hash;
  hash.update(file.substr(0, hashed_header_bytes));
  hash.update(file.substr(header_bytes));
  return hash.finish();
}

}  // namespace

bool has_magic(std::string_view file) { return file.starts_with(magic); }

std::uint64_t max_plain_bytes_of(ObjectType type) {
  return type == ObjectType::manifest ? std::uint64_t{256} << 20U : max_plain_bytes;
}

std::uint64_t key_tag_of(std::string_view key_id) {
  std::uint64_t tag = 0;
  for (std::size_t i = 0; i < 16; i += 2) {
    const int byte = std::stoi(std::string(key_id.substr(i, 2)), nullptr, 16);
    tag |= static_cast<std::uint64_t>(byte) << (4 * i);
  }
  return tag;
}

std::string key_id_beginning(std::uint64_t key_tag) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (unsigned i = 0; i < 8; ++i) {
    const auto byte = static_cast<unsigned char>(key_tag >> (8 * i));
    out += digits[byte >> 4U];
    out += digits[byte & 15U];
  }
  return out;
}

void write_header(std::string& file, const Header& header) {
  std::fill_n(file.begin(), header_bytes, '\0');
  std::copy(magic.begin(), magic.end(), file.begin());
  file[4] = static_cast<char>(header.type);
  file[5] = static_cast<char>(header.codec);
  file[6] = static_cast<char>(header.sealed ? sealed_flag : 0);
  put_u64(&file[8], header.plain_bytes);
  put_u64(&file[16], header.payload_bytes);
  put_u64(&file[24], header.key_tag);
}

void write_checksum(std::string& file) {
  const crypto::Digest digest = checksum_of(file);
  std::copy(digest.begin(), digest.end(), file.begin() + hashed_header_bytes);
}

const char* parse_header(std::string_view file, Header& header) {
  if (file.size() < header_bytes) return "is shorter than its header";
  if (!has_magic(file)) return "does not begin with the magic of an object";
  const auto type = static_cast<unsigned char>(file[4]);
  const auto codec = static_cast<unsigned char>(file[5]);
  const auto flags = static_cast<unsigned char>(file[6]);
  if (type < 1 || type > 5 || codec > 1) return "has an unknown type or codec";
  if (flags > sealed_flag || file[7] != 0) return "uses reserved bits";
  header = {static_cast<ObjectType>(type),
            static_cast<Codec>(codec),
            flags == sealed_flag,
            get_u64(&file[8]),
            get_u64(&file[16]),
            get_u64(&file[24])};
  if (!header.sealed && header.key_tag != 0) return "uses reserved bits";
  if (header.sealed && header.payload_bytes < crypto::seal_overhead) return "is too short to be sealed";
  if (header.plain_bytes > max_plain_bytes_of(header.type))
    return "claims more content than an object may have";
  return nullptr;
}

const char* check_payload(std::string_view file, const Header& header) {
  if (header.payload_bytes != file.size() - header_bytes) return "is cut off or has bytes behind its end";
  const crypto::Digest digest = checksum_of(file);
  const bool same = file.substr(hashed_header_bytes, digest.size()) == crypto::as_bytes(digest);
  return same ? nullptr : "does not have the checksum in its header";
}

std::string additional_data(std::string_view file, std::string_view repository_id, std::string_view name) {
  std::string out = "teslamate-backup object 1\n";
  out.append(repository_id).append("\n").append(name).append("\n");
  return out.append(file.substr(0, hashed_header_bytes));
}

}  // namespace tmb::repository::object_file
