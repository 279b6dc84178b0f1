// SPDX-License-Identifier: MIT
#include "report/table.hh"

#include "catch.hh"

using namespace tmb::report;

TEST_CASE("columns line up, numbers to the right, without blanks at the end of a line") {
  Table table({{"name"}, {"rows", Align::right}, {"tag"}});
  table.add_row({"a", "1 000", "x"});
  table.add_row({"long name", "5"});
  CHECK(table.lines() ==
        std::vector<std::string>{"name        rows  tag", "a          1 000  x", "long name      5"});
}

TEST_CASE("cells are measured as a terminal shows them") {
  CHECK(display_width("abc") == 3);
  CHECK(display_width("Ärger") == 5);
  CHECK(display_width("A\xCC\x88") == 1);  // A and a combining diaeresis
  CHECK(display_width("車") == 2);
  CHECK(display_width("🚗") == 2);
  Table table({{""}, {""}});
  table.add_row({"🚗", "x"});
  table.add_row({"Öl", "y"});
  CHECK(table.lines() == std::vector<std::string>{"🚗  x", "Öl  y"});
}

TEST_CASE("text is cut between characters") {
  CHECK(fit("aÖb", 2) == "aÖ");
  CHECK(fit("車車", 3) == "車");
  CHECK(fit("ab", 9) == "ab");
}

TEST_CASE("a cell cannot smuggle control characters or a line onto the screen") {
  Table table({{""}});
  table.add_row({"a\x1b[2Jb\nc"});
  CHECK(table.lines() == std::vector<std::string>{"a\\x1b[2Jb\\nc"});
}
