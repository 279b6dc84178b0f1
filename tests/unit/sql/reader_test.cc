// SPDX-License-Identifier: MIT
#include "sql/reader.hh"

#include <algorithm>
#include <cstring>

#include "base/error.hh"
#include "catch.hh"
#include "sql/tokens.hh"

namespace {

using namespace tmb;
using sql::End;

// Gives `text` in pieces of `piece` bytes: a cut at every place where a buffer may end.
class Pieces final : public base::ByteSource {
 public:
  Pieces(std::string text, std::size_t piece) : text_(std::move(text)), piece_(piece) {}
  std::size_t read(std::span<char> out) override {
    const std::size_t size = std::min({piece_, out.size(), text_.size() - at_});
    std::memcpy(out.data(), text_.data() + at_, size);
    at_ += size;
    return size;
  }

 private:
  std::string text_;
  std::size_t piece_;
  std::size_t at_ = 0;
};

class Recorder final : public sql::Handler {
 public:
  void comment(std::string_view text) override { add("C", text); }
  bool statement(std::string_view text, std::uint64_t line) override {
    add("S" + std::to_string(line), text);
    return text.starts_with("COPY");
  }
  void command(std::string_view text, std::uint64_t) override { add("B", text); }
  void rows(std::string_view bytes) override { rows_ += bytes; }
  void end_of_rows() override {
    add("R", rows_);
    rows_.clear();
  }
  std::string items;

 private:
  void add(const std::string& kind, std::string_view text) { items += kind + "[" + std::string(text) + "]"; }
  std::string rows_;
};

struct Read {
  std::string items;
  End end = End::between;
};

Read read(const std::string& text, std::size_t piece, sql::Spelling spelling = {}, std::size_t block = 16) {
  Pieces source(text, piece);
  sql::Reader reader(source, {block, std::size_t{1} << 20U});
  reader.set_spelling(spelling);
  Recorder recorder;
  const End end = reader.run(recorder);
  return {recorder.items, end};
}

// The same whatever the pieces.
std::string items(const std::string& text, sql::Spelling spelling = {}) {
  const Read whole = read(text, text.size() + 1, spelling, 4096);
  REQUIRE(whole.end == End::between);
  for (std::size_t piece = 1; piece < std::min<std::size_t>(text.size() + 2, 40); ++piece) {
    const Read again = read(text, piece, spelling);
    REQUIRE(again.items == whole.items);
    REQUIRE(again.end == whole.end);
  }
  return whole.items;
}

std::string one(const std::string& text) { return "S1[" + text + "]"; }

}  // namespace

TEST_CASE("a semicolon inside quotes, comments or parentheses does not end a statement", "[sql]") {
  for (const std::string text :
       {"SELECT ';';",
        "SELECT ''';';",
        "SELECT \";\";",
        "SELECT \"\"\";\";",
        "SELECT $$;$$;",
        "SELECT $a$;$$;$b$$a$;",
        "SELECT $a$ $a $a$;",
        "SELECT E'\\';';",
        "SELECT e'\\\\';",
        "SELECT 1 -- ;'\n;",
        "SELECT /* ; /* ; */ ; */ 1;",
        "CREATE RULE r AS ON x DO (a; b);",
        "SELECT '\\';",
        "SELECT B'01' || N';';",
        "SELECT $1, $2;",
        "SELECT a$b$c;",
        "SELECT 1e5$$;$$;",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END;",
        "CREATE OR REPLACE PROCEDURE p(begin int) BEGIN ATOMIC INSERT INTO t VALUES (1); END;",
        "SELECT $ä$;$ä$;",
        "SELECT $;",
        "SELECT a.\"b;\".c;"}) {
    INFO(text);
    CHECK(items(text) == one(text));
  }
}

TEST_CASE("without standard strings a backslash escapes in every string", "[sql]") {
  CHECK(items("SELECT '\\';';", false) == one("SELECT '\\';';"));
  CHECK(items("SELECT '\\'; SELECT 2;", true) == "S1[SELECT '\\';]S1[SELECT 2;]");
}

TEST_CASE("statements, comments, commands and rows come in their order with their lines", "[sql]") {
  const std::string text =
      "--\n-- head\n--\n\n\\restrict abc\nSET a = 1;\n/* b */ COPY public.t (a, b) FROM "
      "stdin;\n1\t\\\\.\n\\N\tx\n\\.\n\n"
      "SELECT 2; SELECT 3;\n\\unrestrict abc\n";
  CHECK(items(text) ==
        "C[--]C[-- head]C[--]B[\\restrict abc]S6[SET a = 1;]S7[COPY public.t (a, b) FROM stdin;]"
        "R[1\t\\\\.\n\\N\tx\n]S12[SELECT 2;]S12[SELECT 3;]B[\\unrestrict abc]");
}

TEST_CASE("rows end at a line of backslash and dot alone", "[sql]") {
  CHECK(items("COPY t FROM stdin;\n\\.\n") == "S1[COPY t FROM stdin;]R[]");
  CHECK(items("COPY t FROM stdin;\n\\.") == "S1[COPY t FROM stdin;]R[]");
  CHECK(items("COPY t FROM stdin;\n\\\\.\nx\\.\n\\.x\n;\n\\.\nSELECT 1;") ==
        "S1[COPY t FROM stdin;]R[\\\\.\nx\\.\n\\.x\n;\n]S7[SELECT 1;]");
  const std::string wide(5000, 'w');
  CHECK(items("COPY t FROM stdin;\n" + wide + "\n\\.\n") == "S1[COPY t FROM stdin;]R[" + wide + "\n]");
}

TEST_CASE("a byte order mark is passed over", "[sql]") {
  CHECK(items("\xEF\xBB\xBFSELECT 1;") == one("SELECT 1;"));
}

TEST_CASE("a text that ends too early says where, at every byte", "[sql]") {
  const std::string text = "SET a = 'b';\nCOPY t FROM stdin;\n1\n22\n\\.\nSELECT $x$ /* $x$;\n";
  for (std::size_t size = 0; size < text.size(); ++size) {
    for (const std::size_t piece : {1U, 3U, 100U}) {
      INFO(size);
      const Read got = read(text.substr(0, size), piece);
      const std::string_view part(text.data(), size);
      const bool in_first = size > 0 && size < 12;
      const bool in_copy = size > 13 && size < 31;
      const bool in_rows = size >= 31 && part.find("\\.") == std::string_view::npos;
      const bool in_last = size > text.find("SELECT") && size < text.size() - 1;
      const End expected = in_rows                          ? End::in_rows
                           : in_first || in_copy || in_last ? End::in_statement
                                                            : End::between;
      CHECK(got.end == expected);
    }
  }
}

TEST_CASE("what psql would read in another way is refused", "[sql]") {
  for (const std::string& text :
       {std::string("SELECT 1 \\! id\n;"), std::string("SELECT 1\\;"), std::string("SELECT \0 1;", 11),
        std::string("COPY t FROM stdin; SELECT 1;\n\\.\n"), std::string("SELECT E'a'\n'\\' ;';"),
        std::string("SELECT E'a' -- c\n'\\' ;';"),
        std::string("CREATE TABLE t (\\copy x from program 'id'\n);")}) {
    for (const std::size_t piece : {1U, 7U, 1000U}) {
      INFO(text);
      CHECK_THROWS_AS(read(text, piece), base::Error);
    }
  }
}

TEST_CASE("a carriage return ends a comment as it does for the server", "[sql]") {
  for (const std::size_t piece : {1U, 7U, 1000U}) {
    CHECK(read("-- a\rSELECT 1 -- ';\r;\n", piece).items == "C[-- a]S1[SELECT 1 -- ';\r;]");
    CHECK_THROWS_AS(read("SELECT E'a' -- c\r'\\' ;';", piece), base::Error);
  }
}

TEST_CASE("a statement over the limit is refused and a long one under it is not", "[sql]") {
  Pieces long_one("SELECT '" + std::string(900'000, 'x') + "';", 1000);
  Recorder recorder;
  sql::Reader reader(long_one, {4096, std::size_t{1} << 20U});
  CHECK(reader.run(recorder) == End::between);
  Pieces too_long("SELECT '" + std::string(2'000'000, 'x') + "';", 1000);
  sql::Reader other(too_long, {4096, std::size_t{1} << 20U});
  CHECK_THROWS_AS(other.run(recorder), base::Error);
}

TEST_CASE("a character's second byte is no backslash", "[sql]") {
  const sql::Spelling sjis(true, sql::Wide::shift_jis);
  // U+8868 is 95 5C in Shift JIS; a lone B1 is a half-width letter there.
  CHECK(items("SELECT E'\x95\\', 'n';", sjis) == one("SELECT E'\x95\\', 'n';"));
  CHECK(items("SELECT E'\xB1\\'', 'n';", sjis) == one("SELECT E'\xB1\\'', 'n';"));
  CHECK(items("SELECT \x95\\ FROM t;", sjis) == one("SELECT \x95\\ FROM t;"));
  CHECK(items("SELECT E'\\\x95\\';", sjis) == one("SELECT E'\\\x95\\';"));
  CHECK_THROWS_AS(items("SELECT \x95\\ FROM t;"), base::Error);
  CHECK_THROWS_AS(items("SELECT $\x95\\$ x $\x95\\$;", sjis), base::Error);
  // Four bytes, of which two look like digits.
  const sql::Spelling gb18030(false, sql::Wide::gb18030);
  CHECK(items("SELECT '\x81\x30\x81\x30\x81\\';", gb18030) == one("SELECT '\x81\x30\x81\x30\x81\\';"));

  const auto tokens = sql::tokenize("SELECT E'\x95\\n\\'', \x95\\b;", sjis);
  REQUIRE(tokens.size() == 5);
  CHECK(sql::content_of(tokens[1], sjis) == "\x95\\n'");
  CHECK(tokens[3].text == "\x95\\b");
}

TEST_CASE("tokens carry their depth and their names", "[sql]") {
  const auto tokens = sql::tokenize("INSERT INTO a.\"B\"\"b\" VALUES (-1.5e+20, E'x\\'y', f(1)); ", true);
  CHECK(tokens.front().is("INSERT"));
  CHECK(sql::name_of(tokens[4]) == "B\"b");
  CHECK(tokens[6].is_sign('('));
  CHECK(tokens[6].depth == 0);
  CHECK(tokens[8].text == "1.5e+20");
  CHECK(tokens[8].depth == 1);
  CHECK(sql::content_of(tokens[10], true) == "x'y");
  CHECK(tokens.back().is_sign(';'));
  CHECK_THROWS_AS(sql::tokenize("SELECT (1;", true), base::Error);
  CHECK_THROWS_AS(sql::tokenize("SELECT 1", true), base::Error);
}
