// SPDX-License-Identifier: MIT
// The bytes of an object's file: its header, and what of it is sealed. object_store.hh shows the layout.
// Private to this folder.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "repository/object_store.hh"

namespace tmb::repository::object_file {

inline constexpr std::size_t header_bytes = 64;

enum class Codec : unsigned char { plain = 0, columns = 1 };

struct Header {
  ObjectType type{};
  Codec codec{};
  bool sealed = false;
  std::uint64_t plain_bytes = 0;
  std::uint64_t payload_bytes = 0;
  std::uint64_t key_tag = 0;  // of a sealed one: the first eight bytes of the key's id
};

bool has_magic(std::string_view file);
std::uint64_t max_plain_bytes_of(ObjectType type);
std::uint64_t key_tag_of(std::string_view key_id);    // 32 hex digits
std::string key_id_beginning(std::uint64_t key_tag);  // its first 16

// Fills in the first 32 bytes of `file`, which has room for a header.
void write_header(std::string& file, const Header& header);
// Fills in the checksum, when the payload stands behind the header.
void write_checksum(std::string& file);

// Both: nullptr when sane, else what is wrong.
const char* parse_header(std::string_view file, Header& header);
const char* check_payload(std::string_view file, const Header& header);

// What is authenticated with a sealed payload besides itself. `name` is the object's id, or the snapshot's.
std::string additional_data(std::string_view file, std::string_view repository_id, std::string_view name);

}  // namespace tmb::repository::object_file
