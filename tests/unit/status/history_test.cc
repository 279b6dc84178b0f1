// SPDX-License-Identifier: MIT
#include "status/history.hh"

#include <fstream>

#include "catch.hh"
#include "folder.hh"

using namespace tmb;
using status::RunRecord;
using tmb::test::Folder;

namespace {

RunRecord run(const std::string& kind, const char* time, int exit_code = 0) {
  RunRecord out;
  out.kind = kind;
  out.started = base::parse_iso_utc(time);
  out.seconds = 1.5;
  out.exit_code = exit_code;
  return out;
}

}  // namespace

TEST_CASE("a run comes back from the history as it was noted, oldest first", "[status]") {
  const Folder folder;
  RunRecord late = run("backup", "2026-03-29T01:30:00Z", 17);
  late.error = "No space left on device: \x1b[31m/srv\n";
  late.snapshot = "20260329T013000Z-7f3a";
  late.facts = {{"rows", 12}, {"stored_bytes", 1e9}};
  status::add_record(folder.path(), late);
  status::add_record(folder.path(), run("drill-file", "2026-03-28T01:30:00Z"));
  const auto found = status::read_records(folder.path());
  REQUIRE(found.size() == 2);
  CHECK(found[0].kind == "drill-file");
  CHECK(found[1].exit_code == 17);
  CHECK(found[1].snapshot == late.snapshot);
  CHECK(found[1].number("stored_bytes") == 1e9);
  CHECK(found[1].number("no such fact") == 0);
  CHECK(found[1].error.find('\x1b') == std::string::npos);
  CHECK_FALSE(found[1].good());
}

TEST_CASE("of each kind the newest runs stay, and one kind does not push out another", "[status]") {
  const Folder folder;
  status::add_record(folder.path(), run("drill", "2020-01-01T00:00:00Z"));
  base::Time time = base::parse_iso_utc("2026-01-01T00:00:00Z");
  for (std::size_t i = 0; i < status::most_records + 3; ++i, time += std::chrono::hours(1)) {
    RunRecord one = run("backup", "2026-01-01T00:00:00Z");
    one.started = time;
    status::add_record(folder.path(), one);
  }
  const auto found = status::read_records(folder.path());
  CHECK(found.size() == status::most_records + 1);
  CHECK(found.front().kind == "drill");
  CHECK(found[1].started == base::parse_iso_utc("2026-01-01T03:00:00Z"));
}

TEST_CASE("what cannot be read in the history is passed over", "[status]") {
  const Folder folder;
  status::add_record(folder.path(), run("backup", "2026-03-29T01:30:00Z"));
  const base::Path history = folder.path() / "history";
  std::ofstream(history / "20260330T013000Z-backup-0000000000.json") << "{\"kind\": 7}";
  std::ofstream(history / "20260331T013000Z-backup-0000000000.json") << std::string(100000, '[');
  std::ofstream(history / "notes.txt") << "hello";
  std::filesystem::create_symlink("/nonexistent", history / "20260401T013000Z-backup-0000000000.json");
  std::filesystem::create_directory(history / "20260402T013000Z-backup-0000000000.json");
  CHECK(status::read_records(folder.path()).size() == 1);
  CHECK(status::read_records(folder.path() / "absent").empty());
}

TEST_CASE("without a state folder nothing is noted and nothing is made", "[status]") {
  const Folder folder;
  status::add_record(folder.path() / "absent", run("backup", "2026-03-29T01:30:00Z"));
  CHECK_FALSE(std::filesystem::exists(folder.path() / "absent"));
}

TEST_CASE("a run that was kept out or ended by somebody tells nothing", "[status]") {
  CHECK_FALSE(run("backup", "2026-03-29T01:30:00Z", 11).tells());
  CHECK_FALSE(run("backup", "2026-03-29T01:30:00Z", 130).tells());
  CHECK_FALSE(run("backup", "2026-03-29T01:30:00Z", 143).tells());
  CHECK(run("backup", "2026-03-29T01:30:00Z", 17).tells());
  CHECK(run("backup", "2026-03-29T01:30:00Z", 3).good());
}

TEST_CASE("what is worth keeping of a document is kept and nothing else", "[status]") {
  const report::Json document{
      {"rows", 5},
      {"password", "never"},
      {"removed", {"a", "b"}},
      {"repositories",
       {{{"intact", false},
         {"snapshots", {{{"id", "x"}, {"complete", false}}, {{"id", "y"}, {"complete", true}}}}}}}};
  const report::Json verified = status::facts_of("verify", document);
  CHECK(verified["damaged_snapshots"] == report::Json::array({"x"}));
  CHECK_FALSE(verified.contains("password"));
  CHECK(status::facts_of("prune", document)["removed"] == 2);
  CHECK(status::facts_of("backup", report::Json::array()).empty());
}
