// SPDX-License-Identifier: MIT
#include "teslamate/ids.hh"

#include "base/error.hh"
#include "catch.hh"
#include "teslamate/merge.hh"
#include "teslamate/rpc.hh"

using namespace tmb::teslamate;

TEST_CASE("an id is the digits of a positive int4 and nothing else", "[teslamate]") {
  CHECK(parse_id("1", "drive") == 1);
  CHECK(parse_id("2147483647", "drive") == 2147483647);
  for (const char* text : {"", "0", "-1", "+5", " 5", "5 ", "05", "0x10", "1e3", "1.0", "2147483648",
                           "9223372036854775808", "18446744073709551617", "٣", "5\n", "1;2"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_id(text, "drive"), tmb::base::Error);
  }
}

TEST_CASE("several ids are each taken once and in their order", "[teslamate]") {
  CHECK(parse_ids({"3", "1", "3"}, "drive") == Ids{3, 1});
  CHECK(array_literal({3, 1}) == "{3,1}");
  CHECK(named("drive", {1}) == "drive 1");
  CHECK(named("drive", {1, 2, 3}) == "drives 1, 2 and 3");
}

TEST_CASE("the expressions are those that TeslaMate documents", "[teslamate]") {
  CHECK(expression(RpcCall::close_drive, 42) ==
        "TeslaMate.Repo.get!(TeslaMate.Log.Drive, 42) |> TeslaMate.Log.close_drive()");
  CHECK(expression(RpcCall::complete_charging_process, 7) ==
        "TeslaMate.Repo.get!(TeslaMate.Log.ChargingProcess, 7) |> TeslaMate.Log.complete_charging_process()");
}

TEST_CASE("a moment is a day or a time that exists", "[teslamate]") {
  CHECK(parse_moment("2026-05-01", "--since") == "2026-05-01 00:00:00");
  CHECK(parse_moment("2026-05-01 08:30", "--since") == "2026-05-01 08:30:00");
  CHECK(parse_moment("2026-05-01T08:30:15", "--since") == "2026-05-01 08:30:15");
  for (const char* text :
       {"yesterday", "2026-02-30", "2026-5-1", "2026-05-01 25:00", "2026-05-01'; x", "infinity"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_moment(text, "--since"), tmb::base::Error);
  }
}
