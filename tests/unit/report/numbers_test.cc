// SPDX-License-Identifier: MIT
#include "catch.hh"
#include "report/json.hh"
#include "report/reporter.hh"

using namespace tmb::report;

TEST_CASE("numbers are grouped by three") {
  CHECK(grouped(0) == "0");
  CHECK(grouped(999) == "999");
  CHECK(grouped(1000) == "1 000");
  CHECK(grouped(3079853) == "3 079 853");
  CHECK(grouped(UINT64_MAX) == "18 446 744 073 709 551 615");
}

TEST_CASE("sizes are decimal with one digit, and never 1000.0") {
  CHECK(byte_size(0) == "0 B");
  CHECK(byte_size(999) == "999 B");
  CHECK(byte_size(1000) == "1.0 kB");
  CHECK(byte_size(82400000) == "82.4 MB");
  CHECK(byte_size(999949) == "999.9 kB");
  CHECK(byte_size(999950) == "1.0 MB");
  CHECK(byte_size(UINT64_MAX) == "18.4 EB");
}

TEST_CASE("durations choose the unit that people would") {
  CHECK(duration(0.44) == "0.4 s");
  CHECK(duration(59.9) == "59.9 s");
  CHECK(duration(59.96) == "1 min 0 s");
  CHECK(duration(72) == "1 min 12 s");
  CHECK(duration(7500) == "2 h 5 min");
  CHECK(duration(200000) == "2 days 7 h");
  CHECK(duration(-1) == "0.0 s");
}

TEST_CASE("one is singular") {
  CHECK(counted(1, "row", "rows") == "1 row");
  CHECK(counted(0, "row", "rows") == "0 rows");
  CHECK(counted(1000, "row", "rows") == "1 000 rows");
}

TEST_CASE("JSON with bytes that are no UTF-8 is valid") {
  const Json document{{"name", "a\xFF\x1b\n\xC3"}};
  CHECK(Json::parse(to_text(document)).at("name") == "a\xEF\xBF\xBD\x1b\n\xEF\xBF\xBD");
}
