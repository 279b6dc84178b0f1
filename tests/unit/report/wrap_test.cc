// SPDX-License-Identifier: MIT
#include "report/wrap.hh"

#include "catch.hh"
#include "report/table.hh"

using tmb::report::display_width;
using tmb::report::wrapped;

TEST_CASE("a sentence is broken between words, indented, and loses nothing", "[report]") {
  using Lines = std::vector<std::string>;
  CHECK(wrapped("  why:  a short one", 80, 8) == Lines{"  why:  a short one"});
  CHECK(wrapped("  why:  one two three", 16, 8) == Lines{"  why:  one two", "        three"});
  CHECK(wrapped("! aaaa bbbb", 4, 2) == Lines{"! aaaa", "  bbbb"});
  CHECK(wrapped("no terminal at all", 0, 2) == Lines{"no terminal at all"});
  CHECK(wrapped("", 10, 2) == Lines{""});
  const std::string text = "! Käthe 🚗 drives twelve kilometres through the Schönhauser Allee and 日本 parks";
  for (std::size_t columns = 12; columns < 90; ++columns) {
    std::string again;
    for (const std::string& line : wrapped(text, columns, 2)) {
      CHECK(display_width(line) <= columns);
      again += again.empty() ? line : " " + line.substr(2);
    }
    CHECK(again == text);
  }
}
