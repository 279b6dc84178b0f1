// SPDX-License-Identifier: MIT
// What the command line of sample-database asks for.
#pragma once

#include <cstdint>
#include <optional>

#include "car.hh"

namespace tmb::sample {

struct Options {
  std::int64_t positions = 200'000;
  std::uint64_t seed = 1;
  bool plain_values = false;  // leave out the nasty rows
  Precision precision = Precision::full;
  std::optional<std::int64_t> day;  // write that day's changes in place of a database
  std::int64_t rows = 3'000;        // positions of that day
};

}  // namespace tmb::sample
