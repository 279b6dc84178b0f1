// SPDX-License-Identifier: MIT
#include "base/exit_code.hh"

#include <string_view>
#include <tuple>
#include <vector>

#include "catch.hh"

namespace {

using tmb::base::ExitCode;

// Written out by hand: scripts and monitoring of users depend on these numbers and names.
const std::vector<std::tuple<int, std::string_view>> pinned{
    {0, "ok"},         {1, "internal"},   {2, "usage"},         {3, "warnings"},     {10, "no_repository"},
    {11, "locked"},    {12, "wrong_key"}, {13, "damaged"},      {14, "unsupported"}, {15, "cannot_connect"},
    {16, "database"},  {17, "local_io"},  {18, "service"},      {19, "rolled_back"}, {20, "needs_person"},
    {21, "not_found"}, {22, "refused"},   {130, "interrupted"}, {143, "terminated"},
};

}  // namespace

TEST_CASE("the numbers and names of the exit codes never change") {
  std::vector<std::tuple<int, std::string_view>> actual;
  for (const auto& info : tmb::base::exit_codes())
    actual.emplace_back(static_cast<int>(info.code), info.name);
  CHECK(actual == pinned);
}

TEST_CASE("every exit code describes itself") {
  for (const auto& info : tmb::base::exit_codes()) {
    CHECK(tmb::base::describe(info.code).code == info.code);
    CHECK_FALSE(tmb::base::describe(info.code).meaning.empty());
  }
}

TEST_CASE("a number outside the table is described as an internal error") {
  CHECK(tmb::base::describe(static_cast<ExitCode>(99)).code == ExitCode::internal);
}

TEST_CASE("of two exit codes 20 wins over 19, 19 over 13, 13 over the rest") {
  using tmb::base::more_severe;
  CHECK(more_severe(ExitCode::rolled_back, ExitCode::needs_person) == ExitCode::needs_person);
  CHECK(more_severe(ExitCode::needs_person, ExitCode::rolled_back) == ExitCode::needs_person);
  CHECK(more_severe(ExitCode::damaged, ExitCode::rolled_back) == ExitCode::rolled_back);
  CHECK(more_severe(ExitCode::rolled_back, ExitCode::damaged) == ExitCode::rolled_back);
  CHECK(more_severe(ExitCode::service, ExitCode::damaged) == ExitCode::damaged);
  CHECK(more_severe(ExitCode::damaged, ExitCode::service) == ExitCode::damaged);
}

TEST_CASE("of two ordinary failures the first one stays, and any failure wins over a warning and ok") {
  using tmb::base::more_severe;
  CHECK(more_severe(ExitCode::local_io, ExitCode::service) == ExitCode::local_io);
  CHECK(more_severe(ExitCode::service, ExitCode::local_io) == ExitCode::service);
  CHECK(more_severe(ExitCode::ok, ExitCode::warnings) == ExitCode::warnings);
  CHECK(more_severe(ExitCode::warnings, ExitCode::ok) == ExitCode::warnings);
  CHECK(more_severe(ExitCode::warnings, ExitCode::refused) == ExitCode::refused);
  CHECK(more_severe(ExitCode::refused, ExitCode::warnings) == ExitCode::refused);
}
