// SPDX-License-Identifier: MIT
#include "base/clock.hh"

#include <cstdlib>
#include <string>

#include "base/error.hh"
#include "catch.hh"

using tmb::base::Time;

namespace {

Time at(std::int64_t seconds) { return Time(std::chrono::seconds(seconds)); }

}  // namespace

TEST_CASE("times are written in UTC, with what is behind the second cut off") {
  const Time time = at(1'795'140'903) + std::chrono::microseconds(999'999);
  CHECK(tmb::base::compact_utc(time) == "20261120T021503Z");
  CHECK(tmb::base::iso_utc(time) == "2026-11-20T02:15:03Z");
}

TEST_CASE("times before 1970 and beyond 2038 are written right") {
  CHECK(tmb::base::iso_utc(at(-1)) == "1969-12-31T23:59:59Z");
  CHECK(tmb::base::iso_utc(at(-1) + std::chrono::microseconds(1)) == "1969-12-31T23:59:59Z");
  CHECK(tmb::base::iso_utc(at(4'102'444'800)) == "2100-01-01T00:00:00Z");
}

TEST_CASE("a written time reads back as the same second") {
  for (const std::int64_t seconds :
       {std::int64_t{-1}, std::int64_t{0}, std::int64_t{951'782'400},  // 29 Feb 2000
        std::int64_t{1'795'140'903}, std::int64_t{4'102'444'800}}) {
    CHECK(tmb::base::parse_iso_utc(tmb::base::iso_utc(at(seconds))) == at(seconds));
  }
}

TEST_CASE("the time zone of the user changes neither what is written nor what is read") {
  const char* before = std::getenv("TZ");
  const std::string saved = before == nullptr ? "" : before;
  ::setenv("TZ", "America/St_Johns", 1);
  ::tzset();
  CHECK(tmb::base::iso_utc(at(0)) == "1970-01-01T00:00:00Z");
  CHECK(tmb::base::parse_iso_utc("1970-01-01T00:00:00Z") == at(0));
  before == nullptr ? ::unsetenv("TZ") : ::setenv("TZ", saved.c_str(), 1);
  ::tzset();
}

TEST_CASE("what is not a time is refused as damaged") {
  for (const std::string text : {"", "yesterday", "2026-11-20", "2026-11-20T02:15:03",
                                 "2026-11-20T02:15:03Z ", "2026-13-20T02:15:03Z", "2026-11-20T25:15:03Z"}) {
    INFO(text);
    try {
      tmb::base::parse_iso_utc(text);
      FAIL("nothing was thrown");
    } catch (const tmb::base::Error& error) {
      CHECK(error.code() == tmb::base::ExitCode::damaged);
    }
  }
}

TEST_CASE("a day that its month does not have is refused") {
  CHECK_THROWS_AS(tmb::base::parse_iso_utc("2026-02-30T00:00:00Z"), tmb::base::Error);
}
