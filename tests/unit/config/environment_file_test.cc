// SPDX-License-Identifier: MIT
// The expected values were found by giving these files to systemd.
#include "config/environment_file.hh"

#include "base/error.hh"
#include "catch.hh"

using tmb::config::Assignments;
using tmb::config::ContinuedComment;
using tmb::config::parse_environment_file;

namespace {

// The value of A, or "(none)".
std::string value(std::string_view text) {
  for (const auto& [name, value] : parse_environment_file(text)) {
    if (name == "A") return value;
  }
  return "(none)";
}

}  // namespace

TEST_CASE("the last of several assignments to one name counts") {
  CHECK(parse_environment_file("A=1\nB=2\nA=3\n") == Assignments{{"A", "3"}, {"B", "2"}});
}

TEST_CASE("nothing is expanded") {
  CHECK(value("A=$HOME ${B} `id` $(id) ~ %h") == "$HOME ${B} `id` $(id) ~ %h");
}

TEST_CASE("blanks around name and value are dropped") {
  CHECK(value("  \t A =v") == "v");
  CHECK(value("A\t=  v \t ") == "v");
  CHECK(value("A = b c  d ") == "b c  d");
}

TEST_CASE("a hash behind a value is part of it, at the start of a line a comment") {
  CHECK(value("A=1 # x") == "1 # x");
  CHECK(value("#A=1\n;A=2\n  # A=3\n") == "(none)");
}

TEST_CASE("a carriage return ends a line") {
  CHECK(value("A=1\r\nB=2\r\n") == "1");
  CHECK(value("A=1\rB=2") == "1");
}

TEST_CASE("names that are no identifiers are dropped with their values") {
  CHECK(parse_environment_file("export A=1\n1A=1\nA-B=1\n=1\n\xC3\xA4=1\nA.B=1\n").empty());
}

TEST_CASE("a line without an equals sign is dropped") {
  CHECK(parse_environment_file("A\nB=1\n") == Assignments{{"B", "1"}});
}

TEST_CASE("quotes open a value, and again directly behind quotes") {
  CHECK(value("A=\"a\" b") == "ab");
  CHECK(value("A=\"a\"b'c'd") == "ab'c'd");
  CHECK(value("A='a'\"b\"'c'") == "abc");
  CHECK(value("A=a\"b\"") == "a\"b\"");
  CHECK(value("A=\" a \"  ") == " a ");
  CHECK(value("A=\"\"") == "");
  CHECK(value("A=''") == "");
  CHECK(value("A=") == "");
}

TEST_CASE("between double quotes a backslash frees only quote, backslash, dollar and backquote") {
  CHECK(value(R"(A="\"\\\$\`")") == "\"\\$`");
  CHECK(value(R"(A="a\nb\tc")") == R"(a\nb\tc)");
}

TEST_CASE("between single quotes a backslash is a backslash") {
  CHECK(value(R"(A='a\nb\\')") == R"(a\nb\\)");
}

TEST_CASE("without quotes a backslash is dropped and frees what follows") {
  CHECK(value(R"(A=a\nb\\c\ )") == R"(anb\c )");
  CHECK(value("A=a \\\n") == "a ");
}

TEST_CASE("a newline inside quotes stays") {
  CHECK(value("A=\"a\nb\"") == "a\nb");
  CHECK(value("A='a\nb'") == "a\nb");
}

TEST_CASE("a backslash before the newline joins lines") {
  CHECK(value("A=a\\\nb") == "ab");
  CHECK(value("A=\"a\\\nb\"") == "ab");
  CHECK(value("A=\\\nb") == "b");
}

TEST_CASE("a comment that ends in a backslash swallows the next line only in old systemd") {
  const std::string_view text = "# x\\\nA=1\nB=2\n";
  CHECK(parse_environment_file(text) == Assignments{{"A", "1"}, {"B", "2"}});
  CHECK(parse_environment_file(text, ContinuedComment::swallows) == Assignments{{"B", "2"}});
}

TEST_CASE("an assignment without a final newline counts, also inside open quotes") {
  CHECK(value("A=1") == "1");
  CHECK(value("A=\"1") == "1");
  CHECK(value("A='1 ") == "1 ");
  CHECK(value("A=1\\") == "1");
}

TEST_CASE("control characters in values are kept (systemd 252 and 257 do, tests/system/env_file_test.py)") {
  CHECK(value("A=\"a\x01\"") == "a\x01");
  CHECK(value("A=\"a\rb\"") == "a\rb");
  CHECK(value("A=\x0b") == "\x0b");
  CHECK(value("A=\x7f") == "\x7f");
  CHECK(value("A=\"a\tb\"") == "a\tb");
}

TEST_CASE("a byte order mark belongs to the first name, which is dropped") {
  CHECK(parse_environment_file("\xEF\xBB\xBF"
                               "A=1\nB=2") == Assignments{{"B", "2"}});
}

TEST_CASE("NUL bytes and what is not UTF-8 refuse the file, but not in comments") {
  CHECK_THROWS_AS(parse_environment_file(std::string_view("A=1\0", 4)), tmb::base::Error);
  CHECK_THROWS_AS(parse_environment_file("A=\xFF"), tmb::base::Error);
  CHECK_THROWS_AS(parse_environment_file("A=\xC3"), tmb::base::Error);
  CHECK_THROWS_AS(parse_environment_file("A=\xED\xA0\x80"), tmb::base::Error);
  CHECK(value("# \xFF\nA=\xC3\xA4\xF0\x9F\x9A\x97") == "\xC3\xA4\xF0\x9F\x9A\x97");
}

TEST_CASE("a value of one megabyte comes back whole") {
  const std::string big(1U << 20U, 'x');
  CHECK(value("A=" + big) == big);
}
