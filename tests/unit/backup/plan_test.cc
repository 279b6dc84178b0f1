// SPDX-License-Identifier: MIT
#include "backup/plan.hh"

#include <algorithm>

#include "base/clock.hh"
#include "catch.hh"
#include "repository/repository.hh"

using namespace tmb;
using namespace tmb::backup;
using repository::Chunk;
using repository::Manifest;

namespace {

catalog::Table table(const std::string& name, std::uint64_t pages, const std::string& signature = "sig") {
  catalog::Table t;
  t.schema = "public";
  t.name = name;
  t.pages = pages;
  t.signature = signature;
  return t;
}

catalog::ServerFacts server() {
  catalog::ServerFacts s;
  s.version_number = 150020;
  s.system_identifier = "7";
  s.timeline = "1";
  s.started = "then";
  s.next_transaction = 1000;
  s.wal_position = 5000;
  return s;
}

catalog::DatabaseFacts database() {
  catalog::DatabaseFacts d;
  d.oid = 16384;
  return d;
}

// What a backup of `tables` with these plans would have written.
Manifest snapshot_of(const std::vector<catalog::Table>& tables) {
  const Plan plan = make_plan(tables, server(), nullptr);
  Manifest m;
  m.server_version_number = 150020;
  m.origin.system_identifier = "7";
  m.origin.timeline = "1";
  m.origin.server_started = "then";
  m.origin.database_oid = 16384;
  m.origin.oldest_transaction = 1000;
  m.origin.next_transaction = 1000;
  m.origin.wal_position = 5000;
  for (const TablePlan& entry : plan.tables) {
    repository::TableData data;
    data.schema = entry.table->schema;
    data.name = entry.table->name;
    data.signature = entry.signature;
    data.pages = entry.table->pages;
    for (const PageRange& range : entry.ranges) {
      Chunk chunk;
      chunk.first_page = range.first;
      chunk.end_page = range.end.value_or(Chunk::open_end);
      chunk.rows = 10;
      chunk.objects.push_back({std::string(64, 'a'), range.first});
      data.chunks.push_back(chunk);
    }
    m.tables.push_back(data);
  }
  return m;
}

std::size_t candidates(const Plan& plan) {
  return static_cast<std::size_t>(
      std::ranges::count_if(plan.tasks, [](const Task& t) { return t.before.has_value(); }));
}

}  // namespace

TEST_CASE("ranges cover every page once, the last one to the end of the table, and the tail is small") {
  for (std::uint64_t pages : {0U, 1U, 15U, 16U, 17U, 127U, 128U, 1023U, 1024U, 1025U, 5000U, 82500U}) {
    const auto ranges = page_ranges(pages);
    std::uint64_t next = 0;
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      CHECK(ranges[i].first == next);
      CHECK(ranges[i].end.has_value() == (i + 1 < ranges.size()));
      next = ranges[i].end.value_or(next);
    }
    CHECK(next <= pages);
    CHECK(pages - next < 8);
    CHECK(ranges.size() <= pages / 1024 + 95 + 3 + 1);
  }
}

TEST_CASE("no full range comes close to the table's end, where rows still change") {
  for (std::uint64_t pages : {1024U, 3071U, 3072U, 5000U, 82500U}) {
    for (const PageRange& range : page_ranges(pages)) {
      if (range.end && *range.end + 2048 > pages) CHECK(*range.end - range.first <= 32);
    }
  }
  CHECK(page_ranges(3072).front().end == 1024U);
  CHECK(page_ranges(3071).front().end == 32U);
}

TEST_CASE("a table that grows keeps its full ranges") {
  const auto before = page_ranges(3000);
  const auto after = page_ranges(3010);
  for (const PageRange& range : before) {
    if (!range.end || *range.end > 2976) continue;
    CHECK(std::ranges::any_of(
        after, [&](const PageRange& r) { return r.first == range.first && r.end == range.end; }));
  }
}

TEST_CASE("a chunk is a candidate only with the same table, signature and pages") {
  const std::vector<catalog::Table> tables{table("a", 40), table("b", 5, "")};
  const Manifest parent = snapshot_of(tables);
  const Plan same = make_plan(tables, server(), &parent);
  CHECK(candidates(same) == same.tables[0].ranges.size());  // b has no signature: always read
  for (const Task& task : same.tasks) {
    if (!task.before) continue;
    CHECK(task.before->first_page == task.range.first);
    CHECK(task.before->end_page == task.range.end.value_or(Chunk::open_end));
  }
  CHECK(candidates(make_plan(tables, server(), nullptr)) == 0);
  CHECK(candidates(make_plan({table("a", 40, "other")}, server(), &parent)) == 0);
  CHECK(candidates(make_plan({table("renamed", 40)}, server(), &parent)) == 0);
  auto elsewhere = table("a", 40);
  elsewhere.schema = "private";
  CHECK(candidates(make_plan({elsewhere}, server(), &parent)) == 0);
  auto newer = server();
  newer.version_number = 150021;
  CHECK(candidates(make_plan(tables, newer, &parent)) == 0);
}

TEST_CASE("ranges that were cut differently are compared with what the parent had in them") {
  const auto before_of = [](std::uint64_t pages_then, std::uint64_t first, std::optional<std::uint64_t> end) {
    const std::vector<catalog::Table> tables{table("a", pages_then)};
    return rows_before(snapshot_of(tables).tables.front(), {first, end});
  };
  // [32, 40) and the open [40, …) of 40 pages become [32, 64) when the table has grown.
  const auto grown = before_of(40, 32, 64);
  REQUIRE(grown);
  CHECK(grown->rows == 10);
  CHECK(grown->end_page == 64);
  // Pages that were not there had no rows.
  const auto new_pages = before_of(40, 64, 96);
  REQUIRE(new_pages);
  CHECK(new_pages->rows == 0);
  CHECK(new_pages->objects.empty());
  // The small ranges and what is open become a full one.
  const auto merged = before_of(1020, 0, 1024);
  REQUIRE(merged);
  CHECK(merged->rows == 350);
  REQUIRE(merged->objects.size() == 35);
  CHECK(merged->objects.front().plain_bytes == 0);
  CHECK(merged->objects.back().plain_bytes == 1016);
  // A table that lost its last pages: the small range is but a part of what was read at once.
  CHECK_FALSE(before_of(3072, 0, 32));
  CHECK(before_of(3072, 1024, std::nullopt)->rows == 640);
}

TEST_CASE("no chunk without a signature is taken over even if its parent had none either") {
  const std::vector<catalog::Table> tables{table("a", 40, "")};
  const Manifest parent = snapshot_of(tables);
  CHECK(candidates(make_plan(tables, server(), &parent)) == 0);
}

TEST_CASE("the largest table is read first, and each range is one task") {
  const std::vector<catalog::Table> tables{table("small", 1), table("large", 9000), table("empty", 0),
                                           table("middle", 50)};
  const Plan plan = make_plan(tables, server(), nullptr);
  CHECK(plan.tasks.front().table == 1);
  CHECK(plan.tasks.back().table == 2);
  std::size_t ranges = 0;
  for (const TablePlan& t : plan.tables) ranges += t.ranges.size();
  CHECK(plan.tasks.size() == ranges);
}

TEST_CASE("chunks are comparable only in the same history of the same database") {
  const Manifest parent = snapshot_of({});
  CHECK(why_not_incremental(parent, server(), database()).empty());
  const auto differs = [&](auto change) {
    auto s = server();
    auto d = database();
    change(s, d);
    return !why_not_incremental(parent, s, d).empty();
  };
  CHECK(differs([](auto& s, auto&) { s.system_identifier = "8"; }));
  CHECK(differs([](auto& s, auto&) { s.version_number = 160000; }));
  CHECK(differs([](auto& s, auto&) { s.version_number = 150021; }));
  CHECK(differs([](auto& s, auto&) { s.timeline = "2"; }));
  CHECK(differs([](auto& s, auto&) { s.started = "now"; }));
  CHECK(differs([](auto&, auto& d) { d.oid = 16385; }));
  CHECK(differs([](auto& s, auto&) { s.next_transaction = 999; }));
  CHECK(differs([](auto& s, auto&) { s.wal_position = 4999; }));
  CHECK(differs([](auto& s, auto&) { s.next_transaction = 1000 + (std::uint64_t{1} << 31U); }));
  CHECK_FALSE(differs([](auto& s, auto&) { s.next_transaction = 999 + (std::uint64_t{1} << 31U); }));
}

TEST_CASE("a snapshot's id is its time, and always behind the one before") {
  const base::Time now = base::parse_iso_utc("2026-11-20T02:15:03Z");
  CHECK(next_snapshot_id(now, "", "7f3a") == "20261120T021503Z-7f3a");
  CHECK(next_snapshot_id(now, "20261119T000000Z-ffff", "0000") == "20261120T021503Z-0000");
  CHECK(next_snapshot_id(now, "20261120T021503Z-ffff", "0000") ==
        "20261120T021504Z-0000");  // the same second
  CHECK(next_snapshot_id(now, "20270101T000000Z-ffff", "0000") ==
        "20270101T000001Z-0000");  // the clock went back
  CHECK(next_snapshot_id(base::parse_iso_utc("1970-01-01T00:00:00Z"), "20261231T235959Z-0000", "aaaa") ==
        "20270101T000000Z-aaaa");
  CHECK(next_snapshot_id(base::parse_iso_utc("2106-02-07T06:28:16Z"), "20380119T031407Z-ffff", "1234") ==
        "21060207T062816Z-1234");
  std::string id;
  for (int i = 0; i < 100; ++i) {
    const std::string next = next_snapshot_id(now - std::chrono::hours(i), id, "0000");
    CHECK(next > id);
    CHECK(repository::is_snapshot_id(next));
    id = next;
  }
}
