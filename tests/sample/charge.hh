// SPDX-License-Identifier: MIT
// One charging session of a car: a row of charges about every minute, and the sums its charging process
// is closed with.
#pragma once

#include <cstdint>

#include "car.hh"
#include "copy_text.hh"
#include "random.hh"

namespace tmb::sample {

struct ChargeResult {
  Microseconds end = 0;
  int rows = 0;
  std::int64_t added_centi = 0;  // 0.01 kWh
  std::int64_t used_centi = 0;
};

struct ChargePlan {
  std::int64_t first_charge = 1;  // id of the first row
  std::int64_t process = 1;
  Microseconds start = 0;
  bool fast = false;  // direct current
  double until_percent = 80;
  int most_rows = 400;
};

ChargeResult append_charge(Car& car, CopyText& charges, const ChargePlan& plan, Random& random);

}  // namespace tmb::sample
