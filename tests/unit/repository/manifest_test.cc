// SPDX-License-Identifier: MIT
#include "repository/manifest.hh"

#include "base/error.hh"
#include "catch.hh"
#include "crypto/sha256.hh"

using namespace tmb;
using namespace tmb::repository;
using base::ExitCode;

namespace {

Manifest full_manifest() {
  Manifest m;
  m.id = "20261120T021503Z-7f3a";
  m.repository_id = "00ff";
  m.sequence = 7;
  m.parent = "20261119T021503Z-0000";
  m.scheduled = true;
  m.tag = "before \"upgrade\" \\ \n\t";
  m.time = base::parse_iso_utc("2026-11-20T02:15:03Z");
  m.seconds = 1.25;
  m.host = "h\xe4\xffost";  // not UTF-8
  m.server_version_number = 150020;
  m.role = "r";
  m.database.name = "\xc4\xb0";
  m.database.encoding = "SQL_ASCII";
  m.origin.next_transaction = UINT64_MAX;
  m.origin.wal_position = UINT64_MAX - 1;
  m.roles = {"a", "\xff"};
  m.schema = {std::string(64, 'a'), 12};
  TableData table{"pub\nlic", "t\xff\"\\", {"c\x80", "", "\xf0\x9f\x9a\x97"}, "sig", 17, 3, {}};
  Chunk open;
  open.first_page = 16;
  open.end_page = Chunk::open_end;
  open.rows = 3;
  open.objects = {{std::string(64, '0'), 5}, {std::string(64, 'f'), max_plain_bytes}};
  table.chunks = {Chunk{0, 16, 0, {}}, open};
  m.tables = {table};
  m.sequences = {{"public", "s", "-9223372036854775808", true}, {"\x80", "n", "9223372036854775807", false}};
  m.materialized_views = {"\"a\".\"\xff\""};
  m.cars = {{-1, "\xe9", 1, 2, "2020-01-01", ""}};
  return m;
}

// The body with `from` replaced by `to`, under a right checksum.
std::string forged(const std::string& from, const std::string& to) {
  std::string file = to_file(full_manifest());
  std::string body = file.substr(0, file.rfind("  \"sha256\""));
  const std::size_t at = body.find(from);
  REQUIRE(at != std::string::npos);
  body.replace(at, from.size(), to);
  return body + "  \"sha256\": \"" + crypto::hex(crypto::sha256(body)) + "\"\n}\n";
}

ExitCode outcome(const std::string& bytes) {
  try {
    static_cast<void>(manifest_from_file(bytes));
    return ExitCode::ok;
  } catch (const base::Error& error) {
    return error.code();
  }
}

}  // namespace

TEST_CASE("a manifest comes back as it was, with names in any encoding") {
  const Manifest m = full_manifest();
  const Manifest back = manifest_from_file(to_file(m));
  CHECK(to_file(back) == to_file(m));
  CHECK(back.tables.at(0).name == m.tables[0].name);
  CHECK(back.tables[0].pages == 17);
  CHECK(back.tables[0].columns == m.tables[0].columns);
  CHECK(back.tables[0].chunks.at(1).end_page == Chunk::open_end);
  CHECK(back.tables[0].chunks[1].objects == m.tables[0].chunks[1].objects);
  CHECK(back.host == m.host);
  CHECK(back.tag == m.tag);
  CHECK(back.scheduled);
  CHECK(back.roles == m.roles);
  CHECK(back.materialized_views == m.materialized_views);
  CHECK(back.origin.next_transaction == UINT64_MAX);
  CHECK(back.sequences.at(0).last_value == "-9223372036854775808");
  CHECK(back.cars.at(0).id == -1);
}

TEST_CASE(
    "a manifest with a right checksum and wrong content is damaged, never an exception of another kind") {
  CHECK(outcome(forged("\"sequence\":7", "\"sequence\":7")) == ExitCode::ok);
  CHECK(outcome(forged("\"format\":1", "\"format\":2")) == ExitCode::unsupported);
  CHECK(outcome(forged("\"sequence\":7", "\"sequence\":\"7\"")) == ExitCode::damaged);
  CHECK(outcome(forged("\"sequence\":7,", "")) == ExitCode::damaged);
  CHECK(outcome(forged(std::string(64, '0'), "../../../../etc/passwd")) == ExitCode::damaged);
  CHECK(outcome(forged(std::string(64, 'f'), std::string(64, 'F'))) == ExitCode::damaged);
  CHECK(outcome(forged("67108864", "67108865")) == ExitCode::damaged);
  CHECK(outcome(forged("20261120T021503Z-7f3a", "../20261120T021503Z-7")) == ExitCode::damaged);
  CHECK(outcome(forged("2026-11-20T02:15:03Z", "yesterday")) == ExitCode::damaged);
  CHECK(outcome(forged("{\"hex\":\"80\"}", "{\"hex\":\"8\"}")) == ExitCode::damaged);
  CHECK(outcome(forged("{\"hex\":\"80\"}", "{\"hex\":\"zz\"}")) == ExitCode::damaged);
  CHECK(outcome(forged("[16,null,", "[16,-1,")) == ExitCode::damaged);
  CHECK(outcome(forged("[16,null,", "[16,1.5,")) == ExitCode::damaged);
  CHECK(outcome(forged("\"tables\":[", "\"tables\":7,\"x\":[")) == ExitCode::damaged);
}

TEST_CASE("only a time and four hex digits are a snapshot id") {
  CHECK(is_snapshot_id("20261120T021503Z-7f3a"));
  for (const char* text : {"", "20261120T021503Z-7f3", "20261120T021503Z-7f3ab", "20261120T021503Z-7F3A",
                           "20261120t021503Z-7f3a", "20261120T021503Z_7f3a", "20261120T021503Z-7f3g",
                           "2026112 T021503Z-7f3a", "../261120T021503Z-7f3a"}) {
    CHECK_FALSE(is_snapshot_id(text));
  }
}
