// SPDX-License-Identifier: MIT
#include "status/rotation.hh"

#include <set>

#include "catch.hh"
#include "folder.hh"

using namespace tmb;
using namespace std::chrono;
using status::Rotation;

TEST_CASE("a run each night reads every part within the period, and spreads them", "[status]") {
  for (const int period : {1, 2, 7, 30, 100, 365}) {
    Rotation rotation;
    base::Time now = base::parse_iso_utc("2026-01-01T02:00:00Z");
    for (int night = 0; night < 3 * period; ++night, now += days(1)) {
      const auto parts = rotation.due(now, days(period));
      CHECK(parts.size() <= Rotation::parts / static_cast<std::size_t>(period) + 1);
      rotation.mark(parts, now);
      if (night + 1 < period) continue;
      REQUIRE(rotation.all_read(now));
      CHECK(now - *rotation.all_read(now) <= days(period));
    }
  }
}

TEST_CASE("what was not done while the machine was off is made up for", "[status]") {
  Rotation rotation;
  base::Time now = base::parse_iso_utc("2026-01-01T02:00:00Z");
  rotation.mark_all(now);
  now += days(60);
  CHECK(rotation.due(now, days(30)).size() == Rotation::parts);
}

TEST_CASE("a clock that went back reads a day's share", "[status]") {
  Rotation rotation;
  const base::Time now = base::parse_iso_utc("2026-01-01T02:00:00Z");
  rotation.mark_all(now);
  CHECK(rotation.due(now - days(100), days(30)).size() == 9);
}

TEST_CASE("all is read only when each part is", "[status]") {
  Rotation rotation;
  const base::Time now = base::parse_iso_utc("2026-01-01T02:00:00Z");
  std::vector<unsigned> all_but_one;
  for (unsigned i = 0; i + 1 < Rotation::parts; ++i) all_but_one.push_back(i);
  rotation.mark(all_but_one, now);
  CHECK(!rotation.all_read(now));
  rotation.mark({Rotation::parts - 1}, now + days(1));
  CHECK(rotation.all_read(now + days(1)) == now);
}

TEST_CASE("what was noted by a clock that was ahead counts as never read until it is over", "[status]") {
  Rotation rotation;
  const base::Time now = base::parse_iso_utc("2026-01-01T02:00:00Z");
  rotation.mark_all(now + days(5 * 365));
  CHECK(!rotation.all_read(now));
  rotation.mark_all(now + minutes(5));
  CHECK(rotation.all_read(now));
  rotation.mark({3}, now + days(5 * 365));
  CHECK(!rotation.all_read(now));
  for (int night = 0; night < 30; ++night)
    rotation.mark(rotation.due(now + days(night), days(30)), now + days(night));
  CHECK(rotation.all_read(now + days(30)));
}

TEST_CASE("a rotation comes back from its file, for its own repository alone", "[status]") {
  const test::Folder folder;
  Rotation rotation;
  const base::Time now = base::parse_iso_utc("2026-01-01T02:00:00Z");
  rotation.mark({0, 7, 255}, now);
  rotation.write(folder.path(), "/srv/a");
  CHECK(Rotation::read(folder.path(), "/srv/a").due(now, days(256)) == rotation.due(now, days(256)));
  CHECK(Rotation::read(folder.path(), "/srv/b").due(now, days(256)).front() == 0);
  CHECK(!Rotation::read(folder.path() / "none", "/srv/a").all_read(now));
}
