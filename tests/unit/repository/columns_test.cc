// SPDX-License-Identifier: MIT
#include "repository/columns.hh"

#include <fstream>
#include <iterator>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "base/error.hh"
#include "catch.hh"
#include "repository/column_cells.hh"

namespace tmb::repository {
namespace {

std::string encode(const std::string& rows) {
  ColumnEncoder encoder;
  std::string encoded;
  REQUIRE(encoder.encode(rows, encoded));
  return encoded;
}

// Copies of exactly their size, so that AddressSanitizer sees a read past their end.
std::string decode(const std::string& encoded, std::size_t plain_length) {
  const std::vector<char> exact(encoded.begin(), encoded.end());
  ColumnDecoder decoder;
  std::string rows;
  decoder.decode({exact.data(), exact.size()}, plain_length, rows);
  return rows;
}

// What decodes_to() says, with decode() as its witness: of copies of exactly their size here too.
bool decodes_to(const std::string& encoded, const std::string& rows) {
  const std::vector<char> exact_encoded(encoded.begin(), encoded.end());
  const std::vector<char> exact_rows(rows.begin(), rows.end());
  ColumnDecoder decoder;
  return decoder.decodes_to({exact_encoded.data(), exact_encoded.size()},
                            {exact_rows.data(), exact_rows.size()});
}

bool decodes_to_or_is_refused(const std::string& encoded, const std::string& rows) {
  try {
    return decodes_to(encoded, rows);
  } catch (const base::Error&) {
    return false;
  }
}

void round_trips(const std::string& rows) {
  const std::vector<char> exact(rows.begin(), rows.end());
  ColumnEncoder encoder;
  std::string encoded;
  REQUIRE(encoder.encode({exact.data(), exact.size()}, encoded));
  REQUIRE(decode(encoded, rows.size()) == rows);
  REQUIRE(decodes_to(encoded, rows));
}

// One column of these cells, and the same as the first and the second of two; then as the rare exceptions
// of columns that hold `usual` cells.
void cells_round_trip(const std::vector<std::string>& cells, const std::vector<std::string>& usual) {
  std::string alone;
  std::string first;
  std::string second;
  for (const std::string& cell : cells) {
    alone += cell + "\n";
    first += cell + "\tx\n";
    second += "x\t" + cell + "\n";
  }
  round_trips(alone);
  round_trips(first);
  round_trips(second);
  for (const std::string& cell : usual) {
    std::string many;
    for (int i = 0; i < 300; ++i) many += cell + "\n";
    round_trips(many + alone + many);
  }
}

bool refused(const std::string& rows) {
  ColumnEncoder encoder;
  std::string encoded;
  return !encoder.encode(rows, encoded);
}

// What the header of column 0 says: kind and scale.
std::pair<int, int> kind_and_scale(const std::string& rows) {
  const std::string encoded = encode(rows);
  return {encoded.at(9), encoded.at(10)};
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Every kind of column, NULLs in some, an exception in some.
std::string small_chunk() {
  std::string rows;
  for (int i = 0; i < 40; ++i) {
    const std::string n = std::to_string(i);
    rows += std::to_string(1000 + i) + "\t2026-11-20 02:15:" + std::to_string(10 + i) + "." +
            std::to_string(i * 7 + 1) + "\t48." + std::to_string(137154 + i * i) + "\t" +
            (i % 3 == 0 ? "\\N" : n + ".5") + "\t" + (i % 2 == 0 ? "t" : "f") + "\t" +
            (i == 7 ? "NaN" : std::to_string(i * 1000) + ".25") + "\tname of " + n + "\t2026-11-" +
            std::to_string(10 + i % 20) + "\t2026-11-20 02:15:03+00\t\\N\n";
  }
  return rows;
}

}  // namespace

TEST_CASE("columns: texts without a shape come back", "[columns]") {
  round_trips("");
  round_trips("\n");
  round_trips("\n\n\n");  // rows of a table without columns
  round_trips("\t\n");
  round_trips("\t\t\n\t\t\n");
  round_trips("1\n");
  round_trips("1\t2\t3\n");
  round_trips("\\N\n");
  round_trips("\\N\t\\N\n\\N\t\\N\n");
  round_trips("\\N\t1\n2\t\\N\n");
  round_trips("a\\tb\t\\\\N\\n\t\\.\n\\\\\t\\b\\f\\v\\r\t\\N\n");
  round_trips(std::string("\0\t\xff\xfe\n\x80\t\\N\n", 10));
}

TEST_CASE("columns: text that is not rectangular is refused", "[columns]") {
  REQUIRE(refused("1"));
  REQUIRE(refused("1\n2"));
  REQUIRE(refused("1\t2\n3\n"));
  REQUIRE(refused("1\n2\t3\n"));
  REQUIRE(refused("1\t2\n3\n4\t5\t6\n"));
  REQUIRE(refused("1\t2\n3\t4\n\n"));
  REQUIRE(refused("1\t2\n3\n4\t5\n6\t7\t8\n"));
  REQUIRE(refused(std::string(1700, '\t') + "\n"));
  std::string late;  // far behind the first block
  for (int i = 0; i < 50000; ++i) late += "1\t2\n";
  round_trips(late);
  REQUIRE(refused(late + "1\n"));
  REQUIRE(refused(late + "1\t2"));
}

TEST_CASE("columns: the most columns a table can have round trip", "[columns]") {
  std::string rows;
  for (int row = 0; row < 50; ++row) {
    for (int i = 0; i < 1664; ++i) rows += (i > 0 ? "\t" : "") + std::to_string(row * i);
    rows += '\n';
  }
  round_trips(rows);
}

TEST_CASE("columns: huge cells come back", "[columns]") {
  round_trips("1\t" + std::string(1000000, 'x') + "\n2\t\\N\n3\t" + std::string(300000, '7') + "\n");
  for (std::size_t length = 0; length < 80; ++length) {
    round_trips(std::string(length, 'y') + "\n");
    round_trips(std::string(length, '1') + "\n" + std::string(length, '2') + "\n");
  }
}

TEST_CASE("columns: numbers in any spelling come back", "[columns]") {
  const std::vector<std::string> usual{
      "7", "1.5", "-2.50", "48.137154", "0.123456789", "0.12345678901234567", "1.5\n-2.25\n3"};
  cells_round_trip({"9223372036854775807", "-9223372036854775808", "0", "-1", "9223372036854775808"}, usual);
  cells_round_trip({"999999999999999999", "-999999999999999999", "1000000000000000000", "0"}, usual);
  cells_round_trip({"1", "01", "-0", "0", "+5", "-05", "--1", "-", "", " 1", "1 ", "00", "1e5"}, usual);
  cells_round_trip({"1.5", "2.50", "3", "4.", ".5", "-.5", "-0.5", "-0.0", "0.0", "1..2", "1.2.3"}, usual);
  cells_round_trip(
      {"48.137154", "-11.575382", "0.000000", "-0.000001", "-0.000000", "180.000000", "048.137154"}, usual);
  cells_round_trip({"NaN", "Infinity", "-Infinity", "1e-05", "1e+20", "1.5e-07", "12345.678", "0.1", "-0"},
                   usual);
  cells_round_trip(
      {"123456789012345678", "0.123456789012345678", "1234567890.12345678", "123456789.123456789"}, usual);
  cells_round_trip({"0.1", "0.12", "0.123", "0.12345678901234567", "100000000000000000", "0.5"}, usual);
  cells_round_trip({"12345678", "123456789", "12345678.12345678", "99999999.99999999", "100000000.1"}, usual);
  cells_round_trip({"0.12345678901234567", "99999999", "1.5", "12345678.5", "-99999999"}, usual);
  cells_round_trip({"0.123456789", "99999999", "1.5", "99999999.99999999"}, usual);
  cells_round_trip({"1.1234567", "1.12345678", "-2.1234567", "3.7654321", "123456789.7654321"}, usual);
}

TEST_CASE("columns: dates and timestamps in any spelling come back", "[columns]") {
  const std::vector<std::string> usual{"2026-11-20", "2026-11-20 02:15:03.123456", "2026-11-20 02:15:03",
                                       "2026-11-20 02:15:03.5+00"};
  cells_round_trip({"2026-11-20 02:15:03.123456", "2026-11-20 02:15:03", "2026-11-20 02:15:03.1",
                    "2026-11-20 23:59:59.999999", "2026-11-21 00:00:00"},
                   usual);
  cells_round_trip(
      {"2026-11-20 02:15:03.120", "2026-11-20 02:15:03.", "2026-11-20 24:00:00", "2026-11-20 02:60:00",
       "2026-11-20 02:15:60", "2026-11-20 02:15:03.1234567", "2026-11-20  2:15:03", "2026-11-20"},
      usual);
  cells_round_trip({"0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "0000-12-31 00:00:00",
                    "10000-01-01 00:00:00", "0044-03-15 00:00:00 BC", "infinity", "-infinity"},
                   usual);
  cells_round_trip({"2026-11-20 02:15:03+00", "2026-11-20 02:15:03.5+00", "2026-11-20 02:15:03+01",
                    "2026-11-20 02:15:03-03:30", "2026-11-20 02:15:03", "2026-11-20 02:15:03.50+00"},
                   usual);
  cells_round_trip(
      {"2024-02-29", "2023-02-29", "2000-02-29", "1900-02-29", "2026-02-30", "2026-13-01", "2026-00-10",
       "2026-01-00", "0001-01-01", "9999-12-31", "0000-01-01", "1969-12-31", "1970-01-01"},
      usual);
  std::vector<std::string> days;
  for (std::int64_t day = cells::first_day; day <= cells::last_day; day += 97) {
    std::string text(16, ' ');
    cells::format_date(day, text.data());
    std::int64_t back = 0;
    REQUIRE(cells::parse_date(text.data(), back));
    REQUIRE(back == day);
    days.push_back(text.substr(0, 10));
  }
  REQUIRE(days.front() == "0001-01-01");
  cells_round_trip(days, usual);
}

TEST_CASE("columns: a column gets the transform that suits it", "[columns]") {
  REQUIRE(kind_and_scale("1\n2\n3\n") == std::pair{2, 0});
  REQUIRE(kind_and_scale("1.50\n2.25\n\\N\n3.00\n") == std::pair{2, 2});
  REQUIRE(kind_and_scale("1.5\n2.25\n3\n") == std::pair{3, 2});
  REQUIRE(kind_and_scale("2026-11-20 02:15:03.123456\n") == std::pair{4, 6});
  REQUIRE(kind_and_scale("2026-11-20 02:15:03.12\n") == std::pair{4, 3});
  REQUIRE(kind_and_scale("2026-11-20 02:15:03+00\n") == std::pair{5, 0});
  REQUIRE(kind_and_scale("2026-11-20\n") == std::pair{6, 0});
  REQUIRE(kind_and_scale("t\nf\nt\nt\nt\nt\nt\nt\n") == std::pair{1, 0});
  REQUIRE(kind_and_scale("one\ntwo\nthree\nfour\n") == std::pair{0, 0});
}

TEST_CASE("columns: a column that changes its kind after the first block comes back", "[columns]") {
  const std::vector<std::string> late{"1.5", "1.50", "x", "\\N", "123456789012345678", "0.00000000000000001",
                                      "-0"};
  for (const std::string& cell : late) {
    std::string rows;
    for (int i = 0; i < 30000; ++i) rows += std::to_string(i * 10) + "\t" + std::to_string(i) + ".25\n";
    for (int i = 0; i < 20000; ++i) rows += cell + "\t" + cell + "\n" + std::to_string(i) + "\t7.125\n";
    round_trips(rows);
  }
  std::string words;  // more than a dictionary holds, seen only later
  for (int i = 0; i < 20000; ++i) words += "same\n";
  for (int i = 0; i < 2000; ++i) words += "word" + std::to_string(i % 300) + "\n";
  round_trips(words);
}

TEST_CASE("columns: ids, repeats and NULLs cost next to nothing", "[columns]") {
  std::string rows;
  for (int i = 0; i < 10000; ++i) rows += std::to_string(5000000 + i) + "\t1\t\\N\tt\n";
  REQUIRE(encode(rows).size() < 200);
}

TEST_CASE("columns: one encoder and decoder serve chunk after chunk", "[columns]") {
  ColumnEncoder encoder;
  ColumnDecoder decoder;
  std::string encoded;
  std::string back;
  for (const std::string& rows :
       {small_chunk(), std::string("a\tb\n"), std::string(), std::string("\\N\n1\n"), small_chunk()}) {
    REQUIRE(encoder.encode(rows, encoded));
    REQUIRE(encoded == encode(rows));
    decoder.decode(encoded, rows.size(), back);
    REQUIRE(back == rows);
    REQUIRE_FALSE(encoder.encode("1\t2\n3\n", encoded));
    REQUIRE_THROWS_AS(decoder.decode("\1", 5, back), base::Error);
  }
}

TEST_CASE("columns: thousands of random small tables come back", "[columns]") {
  static const std::vector<std::string> atoms{
      "0",          "1",   "9",    "5",    "00",  ".",       ".",   "-",
      "12",         "\\N", "\\N",  "t",    "f",   "e",       "+00", "2026-11-20 02:15:03",
      "2026-11-20", ":",   "\\\\", "\xff", "NaN", "12345678"};
  std::mt19937 random(20261120);
  const auto below = [&](std::size_t n) { return std::size_t{random()} % n; };
  for (int table = 0; table < 6000; ++table) {
    const std::size_t columns = 1 + below(5);
    const std::size_t rows = below(30);
    std::vector<std::string> usual(columns);  // most cells of a column look alike
    for (auto& cell : usual) cell = atoms[below(atoms.size())] + (below(2) == 0 ? "." + atoms[below(4)] : "");
    std::string text;
    for (std::size_t row = 0; row < rows; ++row) {
      for (std::size_t column = 0; column < columns; ++column) {
        if (column > 0) text += '\t';
        if (below(4) != 0) {
          text += usual[column];
          if (below(2) == 0) text += std::to_string(below(100));
        } else {
          for (std::size_t i = below(5); i > 0; --i) text += atoms[below(atoms.size())];
        }
      }
      text += '\n';
    }
    round_trips(text);
  }
}

TEST_CASE("columns: random bytes never crash the encoder, and come back when it takes them", "[columns]") {
  std::mt19937 random(7);
  static const std::string alphabet = "0123456789.-\t\t\n\n\\N:+ e";
  std::size_t taken = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (std::size_t n = random() % 24; n > 0; --n) text += alphabet[random() % alphabet.size()];
    ColumnEncoder encoder;
    std::string encoded;
    if (!encoder.encode(text, encoded)) continue;
    ++taken;
    REQUIRE(decode(encoded, text.size()) == text);
  }
  REQUIRE(taken > 100);
}

TEST_CASE("columns: a truncated chunk is damaged", "[columns]") {
  const std::string rows = small_chunk();
  const std::string encoded = encode(rows);
  for (std::size_t length = 0; length < encoded.size(); ++length) {
    REQUIRE_THROWS_AS(decode(encoded.substr(0, length), rows.size()), base::Error);
  }
  REQUIRE_THROWS_AS(decode(encoded + '\0', rows.size()), base::Error);
}

TEST_CASE("columns: a flipped bit is an error or other text of the same length, never a crash", "[columns]") {
  const std::string rows = small_chunk();
  std::string encoded = encode(rows);
  for (std::size_t bit = 0; bit < encoded.size() * 8; ++bit) {
    const auto flip = static_cast<char>(1U << (bit % 8));
    encoded[bit / 8] = static_cast<char>(encoded[bit / 8] ^ flip);
    try {
      const std::string other = decode(encoded, rows.size());
      REQUIRE(other.size() == rows.size());
      REQUIRE(decodes_to(encoded, other));
      REQUIRE(decodes_to_or_is_refused(encoded, rows) == (other == rows));
    } catch (const base::Error& error) {
      REQUIRE_FALSE(decodes_to_or_is_refused(encoded, rows));
      REQUIRE((error.code() == base::ExitCode::damaged || error.code() == base::ExitCode::unsupported));
    }
    encoded[bit / 8] = static_cast<char>(encoded[bit / 8] ^ flip);
  }
}

TEST_CASE("columns: bytes overwritten at random are an error or text, never a crash", "[columns]") {
  std::mt19937 random(11);
  const std::string rows = small_chunk();
  const std::string good = encode(rows);
  for (int i = 0; i < 30000; ++i) {
    std::string encoded = good;
    for (std::size_t n = 1 + random() % 4; n > 0; --n)
      encoded[random() % encoded.size()] = static_cast<char>(random());
    try {
      const std::string other = decode(encoded, rows.size());
      REQUIRE(other.size() == rows.size());
      REQUIRE(decodes_to_or_is_refused(encoded, rows) == (other == rows));
    } catch (const base::Error&) {
      REQUIRE_FALSE(decodes_to_or_is_refused(encoded, rows));
    }
  }
}

TEST_CASE("columns: a chunk decodes to its own rows and to no others", "[columns]") {
  std::string rows = small_chunk();
  for (const std::size_t length : {15U, 16U, 17U, 31U, 32U, 33U, 100U}) {
    rows += std::string("1\t2\t3\t4\tt\t") + std::string(length, 'x') + "\t" + std::string(length, 'y') +
            "\t6\t7\t" + std::string(length, 'z') + "\n";
  }
  const std::string encoded = encode(rows);
  REQUIRE(decodes_to(encoded, rows));
  for (std::size_t bit = 0; bit < rows.size() * 8; ++bit) {
    std::string other = rows;
    other[bit / 8] = static_cast<char>(other[bit / 8] ^ static_cast<char>(1U << (bit % 8)));
    REQUIRE_FALSE(decodes_to(encoded, other));
  }
  REQUIRE_FALSE(decodes_to_or_is_refused(encoded, rows + "1"));
  REQUIRE_FALSE(decodes_to_or_is_refused(encoded, rows.substr(0, rows.size() - 1)));
  REQUIRE_FALSE(decodes_to_or_is_refused(encoded, ""));
  REQUIRE(decodes_to(encode(""), ""));
}

TEST_CASE("columns: a wrong plain length is damaged", "[columns]") {
  for (const std::string& rows : {small_chunk(), std::string("1\n"), std::string()}) {
    const std::string encoded = encode(rows);
    for (const std::size_t wrong :
         {rows.size() + 1, rows.size() + 100, std::size_t{64} << 20U, std::size_t{1} << 40U,
          std::numeric_limits<std::size_t>::max(), rows.size() - 1, rows.size() / 2}) {
      if (wrong != rows.size()) REQUIRE_THROWS_AS(decode(encoded, wrong), base::Error);
    }
  }
}

// If these two fail, the version byte, the description in columns.hh and tests/recovery/columns.py change
// too.
TEST_CASE("columns: the encoded form of version 1 is pinned", "[columns]") {
  const std::string encoded = encode("7\t\\N\n8\tx\n");
  const std::string pinned(
      "\1\2\0\0\0\2\0\0\0"
      "\2\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\6\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0"
      "\1\0\0\0\3\0\0\0\1\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0x\n",
      9 + 32 + 32 + 4);
  REQUIRE(encoded == pinned);
}

// The encoder may learn to write other bytes for the same rows; the decoder reads these for ever.
TEST_CASE("columns: a chunk encoded by version 1 is read", "[columns]") {
  const std::string folder = std::string(TM_SOURCE_DIR) + "/tests/golden/columns/";
  const std::string rows = read_file(folder + "version1.txt");
  REQUIRE(rows.size() > 2000);
  REQUIRE(decode(read_file(folder + "version1.bin"), rows.size()) == rows);
}

}  // namespace tmb::repository
