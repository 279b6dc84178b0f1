// SPDX-License-Identifier: MIT
// Rows of COPY text turned into rows of COPY binary, which the server stores with half the work. Only for
// types whose binary form is exact and the same in every server since 10; whatever a cell holds that is not
// spelled as COPY TO spells it is refused, and the rows go as text. Sends nothing and knows no table.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tmb::postgres {

// How a cell travels in binary. text: characters as they are (text, varchar, bpchar, json, enums).
enum class Wire : std::uint8_t {
  boolean,
  int2,
  int4,
  int8,
  float4,
  float8,
  numeric,
  date,
  timestamp,
  timestamp_zone,
  text,
  jsonb,
  bytea,
  uuid,
};

// By the OID of a type (fixed in PostgreSQL's src/include/catalog/pg_type.dat) and its pg_type.typtype.
// nullopt for all others, such as arrays, domains and types of extensions.
std::optional<Wire> wire_of(std::uint32_t type_oid, char typtype);

class BinaryRows {
 public:
  // What COPY … (FORMAT binary) begins and ends with.
  static constexpr std::string_view header{"PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19};
  static constexpr std::string_view trailer{"\377\377", 2};

  // One for each column of the rows, at least one.
  explicit BinaryRows(std::vector<Wire> columns) : columns_(std::move(columns)) {}

  // Replaces `out` by the binary form of `rows`, which are whole lines of COPY text as a session with pinned
  // formats writes them (ISO dates, time zone UTC). False, with `out` in no particular state, when a cell is
  // none that this knows for sure.
  bool convert(std::string_view rows, std::string& out) const;

 private:
  std::vector<Wire> columns_;
};

}  // namespace tmb::postgres
