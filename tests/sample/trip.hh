// SPDX-License-Identifier: MIT
// One drive of a car from where it stands towards a target: its rows of positions and the sums its drive
// is closed with.
#pragma once

#include <cstdint>

#include "car.hh"
#include "copy_text.hh"
#include "random.hh"
#include "script.hh"

namespace tmb::sample {

struct TripPlan {
  std::int64_t drive = 1;
  std::int64_t first_position = 1;
  Microseconds start = 0;
  Microseconds latest_end = 0;
  std::int64_t most_positions = 3000;
  Spot target;
  bool with_elevation = true;  // also of the polled rows; the streamed ones always have it
  Precision precision = Precision::full;
};

struct TripResult {
  Microseconds end = 0;
  std::int64_t positions = 0;
  bool arrived = false;
  int speed_max = 0;
  int power_max = 0;
  int power_min = 0;
  int ascent = 0;
  int descent = 0;
  std::int64_t outside_deci = 0;  // average
  std::int64_t inside_deci = 0;
};

// Spills the script between rows.
TripResult append_trip(Car& car, Script& script, const TripPlan& plan, Random& random);

// A moment as the car's interface gives it: whole milliseconds, or also the microseconds.
Microseconds moment(Microseconds time, Precision precision);

}  // namespace tmb::sample
