// SPDX-License-Identifier: MIT
#include "postgres/binary_rows.hh"

#include <cstring>

#include "catch.hh"

using tmb::postgres::BinaryRows;
using tmb::postgres::Wire;

namespace {

// The one field of a row of one column, without its length; nullopt when the row is refused.
std::optional<std::string> field(Wire wire, const std::string& cell) {
  std::string out;
  if (!BinaryRows({wire}).convert(cell + "\n", out)) return std::nullopt;
  REQUIRE(out.size() >= 6);
  CHECK(out.substr(0, 2) == std::string("\0\1", 2));
  unsigned length = 0;
  for (std::size_t i = 2; i < 6; ++i) length = length << 8U | static_cast<unsigned char>(out[i]);
  if (length == 0xFFFFFFFF) return "NULL";
  CHECK(out.size() == 6 + length);
  return out.substr(6);
}

std::string bytes(std::initializer_list<int> values) {
  std::string out;
  for (const int value : values) out += static_cast<char>(value);
  return out;
}

}  // namespace

TEST_CASE("cells of COPY text become the bytes of the binary format", "[postgres][binary_rows]") {
  CHECK(field(Wire::boolean, "t") == bytes({1}));
  CHECK(field(Wire::boolean, "f") == bytes({0}));
  CHECK(field(Wire::int2, "-32768") == bytes({0x80, 0}));
  CHECK(field(Wire::int4, "258") == bytes({0, 0, 1, 2}));
  CHECK(field(Wire::int4, "-1") == bytes({255, 255, 255, 255}));
  CHECK(field(Wire::int8, "20260411070212") == bytes({0, 0, 0x12, 0x6D, 0x3E, 0x9A, 0xD7, 0x04}));
  CHECK(field(Wire::float4, "1.5") == bytes({0x3F, 0xC0, 0, 0}));
  CHECK(field(Wire::float8, "-0") == bytes({0x80, 0, 0, 0, 0, 0, 0, 0}));
  CHECK(field(Wire::float8, "Infinity") == bytes({0x7F, 0xF0, 0, 0, 0, 0, 0, 0}));
  CHECK(field(Wire::float8, "NaN") == bytes({0x7F, 0xF8, 0, 0, 0, 0, 0, 0}));
  CHECK(field(Wire::date, "2000-01-01") == bytes({0, 0, 0, 0}));
  CHECK(field(Wire::date, "1999-12-31") == bytes({255, 255, 255, 255}));
  CHECK(field(Wire::timestamp, "2000-01-01 00:00:00.000001") == bytes({0, 0, 0, 0, 0, 0, 0, 1}));
  CHECK(field(Wire::timestamp, "1999-12-31 23:59:59") == bytes({255, 255, 255, 255, 255, 0xF0, 0xBD, 0xC0}));
  CHECK(field(Wire::timestamp_zone, "2000-01-01 00:00:01+00") == bytes({0, 0, 0, 0, 0, 0x0F, 0x42, 0x40}));
  CHECK(field(Wire::text, "a\\tb\\\\c\\n") == "a\tb\\c\n");
  CHECK(field(Wire::text, "").value().empty());
  CHECK(field(Wire::jsonb, "{\"a\": \"\\\\n\"}") == "\1{\"a\": \"\\n\"}");
  CHECK(field(Wire::bytea, "\\\\x00ff10") == bytes({0, 255, 16}));
  CHECK(field(Wire::uuid, "00112233-4455-6677-8899-aabbccddeeff") ==
        bytes({0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE,
               0xFF}));
}

TEST_CASE("a numeric becomes groups of four digits around its point", "[postgres][binary_rows]") {
  // groups, weight of the first, sign, digits after the point, then the groups
  CHECK(field(Wire::numeric, "48.110069") == bytes({0, 3, 0, 0, 0, 0, 0, 6, 0, 48, 0x04, 0x4C, 0x1A, 0xF4}));
  CHECK(field(Wire::numeric, "-12345678.5") ==
        bytes({0, 3, 0, 1, 0x40, 0, 0, 1, 0x04, 0xD2, 0x16, 0x2E, 0x13, 0x88}));
  CHECK(field(Wire::numeric, "0") == bytes({0, 1, 0, 0, 0, 0, 0, 0, 0, 0}));
  CHECK(field(Wire::numeric, "0.0000") == bytes({0, 2, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0}));
}

TEST_CASE("NULL is NULL in every type", "[postgres][binary_rows]") {
  for (const Wire wire : {Wire::boolean, Wire::int4, Wire::float8, Wire::numeric, Wire::date, Wire::timestamp,
                          Wire::timestamp_zone, Wire::text, Wire::jsonb, Wire::bytea, Wire::uuid}) {
    CHECK(field(wire, "\\N") == "NULL");
  }
  // A text that begins like NULL is a text.
  CHECK(field(Wire::text, "\\\\N") == "\\N");
}

TEST_CASE("what COPY does not write so is left to text", "[postgres][binary_rows]") {
  CHECK_FALSE(field(Wire::boolean, "true"));
  CHECK_FALSE(field(Wire::int2, "32768"));
  CHECK_FALSE(field(Wire::int4, "2147483648"));
  CHECK_FALSE(field(Wire::int4, ""));
  CHECK_FALSE(field(Wire::int4, "-"));
  CHECK_FALSE(field(Wire::int4, "+1"));
  CHECK_FALSE(field(Wire::int4, "1 "));
  CHECK_FALSE(field(Wire::int8, "9223372036854775807"));  // nineteen digits
  CHECK_FALSE(field(Wire::float8, "1e999"));
  CHECK_FALSE(field(Wire::float8, "0x10"));
  CHECK_FALSE(field(Wire::float8, "inf"));
  CHECK_FALSE(field(Wire::numeric, "NaN"));
  CHECK_FALSE(field(Wire::numeric, "1."));
  CHECK_FALSE(field(Wire::numeric, ".5"));
  CHECK_FALSE(field(Wire::numeric, "123456789"));
  CHECK_FALSE(field(Wire::numeric, "0.123456789"));
  CHECK_FALSE(field(Wire::date, "2023-02-29"));
  CHECK_FALSE(field(Wire::date, "infinity"));
  CHECK_FALSE(field(Wire::date, "12026-01-01"));
  CHECK_FALSE(field(Wire::timestamp, "2026-11-20 24:00:00"));
  CHECK_FALSE(field(Wire::timestamp, "2026-11-20 02:15:03 BC"));
  CHECK_FALSE(field(Wire::timestamp, "2026-11-20 02:15:03.1234567"));
  CHECK_FALSE(field(Wire::timestamp, "2026-11-20"));
  CHECK_FALSE(field(Wire::timestamp, "infinity"));
  CHECK_FALSE(field(Wire::timestamp_zone, "2026-11-20 02:15:03+02"));
  CHECK_FALSE(field(Wire::text, "a\\x41"));
  CHECK_FALSE(field(Wire::bytea, "\\\\x0"));
  CHECK_FALSE(field(Wire::bytea, "\\\\000"));
  CHECK_FALSE(field(Wire::uuid, "00112233445566778899aabbccddeeff"));
}

TEST_CASE("rows of another number of cells are refused", "[postgres][binary_rows]") {
  const BinaryRows rows({Wire::int4, Wire::text});
  std::string out;
  CHECK(rows.convert("1\ta\n2\tb\n", out));
  CHECK(out.size() == 2 * (2 + 8 + 5));
  CHECK_FALSE(rows.convert("1\n", out));
  CHECK_FALSE(rows.convert("1\ta\tb\n", out));
  CHECK_FALSE(rows.convert("1\ta", out));
  CHECK(rows.convert("", out));
  CHECK(out.empty());
}

TEST_CASE("a day that was odd is not remembered for the next row", "[postgres][binary_rows]") {
  const BinaryRows rows({Wire::date});
  std::string first;
  std::string out;
  REQUIRE(rows.convert("2026-11-20\n2026-11-20\n2026-11-21\n", first));
  CHECK(first.substr(2, 8) == first.substr(12, 8));
  CHECK(first.substr(12, 8) != first.substr(22, 8));
  CHECK_FALSE(rows.convert("2026-13-20\n2026-13-20\n", out));
}
