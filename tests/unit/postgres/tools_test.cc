// SPDX-License-Identifier: MIT
#include "postgres/tools.hh"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/error.hh"
#include "catch.hh"

using namespace tmb;
using namespace tmb::postgres;

TEST_CASE("the version line of a tool is understood, other lines are not") {
  const auto version = parse_tool_version("pg_dump (PostgreSQL) 17.6 (Debian 17.6-0+deb13u1)\n");
  REQUIRE(version.has_value());
  CHECK(version->major == 17);
  CHECK(version->version == "17.6");
  CHECK(parse_tool_version("pg_dump (PostgreSQL) 18beta1\n")->major == 18);
  CHECK_FALSE(parse_tool_version("pg_dump 17.6").has_value());
  CHECK_FALSE(parse_tool_version("").has_value());
}

TEST_CASE("the oldest tools that are new enough are taken") {
  const std::vector<Tools> found{{"/a", 18, "18.1"}, {"/b", 15, "15.2"}, {"/c", 17, "17.6"}};
  CHECK(choose_tools(found, 16).folder == "/c");
  CHECK(choose_tools(found, 15).folder == "/b");
  try {
    choose_tools(found, 19);
    FAIL("took something too old");
  } catch (const base::Error& error) {
    CHECK(error.code() == base::ExitCode::unsupported);
  }
}

TEST_CASE("a child finds its password in a file in memory and nowhere else") {
  ConnectionSettings settings;
  settings.host = "it's \\ here";
  settings.database = "d";
  settings.password = base::Secret("se:cr\\et");
  const ChildAccess access = child_access(settings);
  std::array<char, 64> text{};
  const ssize_t got = ::pread(access.passfile.get(), text.data(), text.size(), 0);
  CHECK(std::string(text.data(), static_cast<std::size_t>(got)) == "*:*:*:*:se\\:cr\\\\et\n");
  CHECK(access.conninfo == "host='it\\'s \\\\ here' dbname='d' ");
  for (const std::string& entry : access.environment) CHECK(entry.find("se:cr") == std::string::npos);
  settings.password = base::Secret("two\nlines");
  CHECK_THROWS_AS(child_access(settings), base::Error);
}
