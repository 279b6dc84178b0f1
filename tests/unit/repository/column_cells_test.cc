// SPDX-License-Identifier: MIT
#include "repository/column_cells.hh"

#include <random>
#include <string>

#include "catch.hh"

using namespace tmb::repository;

namespace {

template <typename Format>
std::string text_of(Format format) {
  std::array<char, 2 * cells::slack> out{};
  return {out.data(), format(out.data())};
}

}  // namespace

TEST_CASE("decimals of many digits are written alike by the quick way and the general one",
          "[columns][cells]") {
  std::mt19937_64 random(1);
  for (int i = 0; i < 200000; ++i) {
    const auto scale = static_cast<unsigned>(random() % (cells::max_scale + 1));
    auto value = static_cast<std::int64_t>(random() >> (random() % 64));
    if (random() % 4 == 0) value = value / 100000 * 100000;
    if (random() % 2 == 0) value = -value;
    const bool trimmed = random() % 2 == 0;
    const auto general =
        text_of([&](char* out) { return cells::format_any_decimal(value, scale, trimmed, out); });
    const auto quick =
        text_of([&](char* out) { return cells::format_wide_decimal(value, scale, trimmed, out); });
    if (general != quick) FAIL(value << " at scale " << scale << ": " << general << " and " << quick);
  }
  CHECK(text_of([](char* out) { return cells::format_wide_decimal(0, 12, true, out); }) == "0");
  CHECK(text_of([](char* out) { return cells::format_wide_decimal(-5, 12, false, out); }) ==
        "-0.000000000005");
}
