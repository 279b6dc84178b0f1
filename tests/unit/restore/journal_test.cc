// SPDX-License-Identifier: MIT
#include "restore/journal.hh"

#include <fstream>

#include "base/error.hh"
#include "catch.hh"
#include "folder.hh"
#include "restore/marker.hh"
#include "restore/preflight.hh"

using namespace tmb;
using namespace tmb::restore;

TEST_CASE("a journal comes back as it was written, whatever bytes its names hold") {
  const test::Folder folder;
  const JournalFile file(folder.path());
  CHECK_FALSE(file.read().has_value());
  Journal j;
  j.run = "20261120T021503Z-7f3a";
  j.operation = "restore";
  j.step = Step::swapping;
  j.system_identifier = "7412";
  j.live = "tesla \"ü\" \xff\n";
  j.live_oid = 4294967295U;
  j.staging = "s";
  j.staging_oid = 17;
  j.kept = "k";
  j.before = "20261120T021500Z-0001";
  j.transaction = "18446744073709551615";
  j.units = {{"teslamate.service", true, false}, {"b.service", false, true}};
  j.live_comment = "\xfe";
  file.write(j);
  const Journal back = file.read().value();
  CHECK(back.step == Step::swapping);
  CHECK(back.live == j.live);
  CHECK(back.live_oid == j.live_oid);
  CHECK(back.staging_oid == 17);
  CHECK(back.before == j.before);
  CHECK(back.transaction == j.transaction);
  CHECK(back.units.size() == 2);
  CHECK(back.units[0].was_active);
  CHECK(back.units[1].keep_stopped);
  CHECK(back.live_comment == j.live_comment);
  CHECK_FALSE(back.staging_comment.has_value());
  file.remove();
  CHECK_FALSE(file.read().has_value());
  file.remove();
}

TEST_CASE("a journal that cannot be understood needs a person") {
  const test::Folder folder;
  const JournalFile file(folder.path());
  for (const char* text : {"", "{", "{}", "{\"version\": 99}", "[]"}) {
    std::ofstream(file.path()) << text;
    try {
      file.read();
      FAIL("was understood: " << text);
    } catch (const base::Error& error) {
      CHECK(error.code() == base::ExitCode::needs_person);
    }
  }
}

TEST_CASE("a marker comes back with the comment that it stands in for") {
  for (const char* comment : {"", "it's \"mine\"\n", "not UTF-8: \xff\xfe"}) {
    Marker m;
    m.kind = Marker::Kind::kept;
    m.run = "r";
    m.database = "teslamate";
    m.snapshot = "s";
    m.since = base::parse_iso_utc("2026-11-20T02:15:03Z");
    m.comment = comment;
    const auto back = parse_marker(to_comment(m));
    REQUIRE(back.has_value());
    CHECK(back->kind == Marker::Kind::kept);
    CHECK(back->comment == m.comment);
    CHECK(back->since == m.since);
    CHECK(back->database == "teslamate");
  }
}

TEST_CASE("a comment that is not ours is no marker") {
  CHECK_FALSE(parse_marker(std::nullopt).has_value());
  for (const char* comment :
       {"", "teslamate-backup", "{\"teslamate-backup\":", "{\"teslamate-backup\":\"staging\"}",
        "{\"teslamate-backup\":\"mine\",\"run\":\"\",\"database\":\"\",\"snapshot\":\"\",\"since\":\"2026-11-"
        "20T02:15:03Z\",\"comment\":null}",
        " {\"teslamate-backup\":\"staging\"}"}) {
    CHECK_FALSE(parse_marker(std::string(comment)).has_value());
  }
}

TEST_CASE("versions compare as numbers") {
  CHECK(compare_versions("1.10", "1.9") > 0);
  CHECK(compare_versions("1.5", "1.5") == 0);
  CHECK(compare_versions("1.5", "1.5.1") < 0);
  CHECK(compare_versions("20260411070212", "20260808090000") < 0);
  CHECK(compare_versions("007", "7") == 0);
  CHECK(compare_versions("99", "100") < 0);
}
