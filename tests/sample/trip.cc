// SPDX-License-Identifier: MIT
#include "trip.hh"

#include <algorithm>
#include <cmath>

namespace tmb::sample {

Microseconds moment(Microseconds time, Precision precision) {
  return precision == Precision::full ? time : time / 1000 * 1000;
}

TripResult append_trip(Car& car, Script& script, const TripPlan& plan, Random& random) {
  TripResult result;
  const double metres = car.distance_to(plan.target);
  car.start_driving(metres > 30'000 ? 2 : metres > 8'000 ? 1 : 0);
  double outside = 0;
  double inside = 0;
  Microseconds time = plan.start;
  int height = car.elevation();
  while (true) {
    const bool full = result.positions % 3 == 0;
    result.end = moment(time, plan.precision);
    car.append_position(script.rows(Table::positions), plan.first_position + result.positions, result.end,
                        plan.drive, full, plan.with_elevation || !full);
    script.spill_if_large();
    ++result.positions;
    result.speed_max = std::max(result.speed_max, car.speed());
    result.power_max = std::max(result.power_max, car.power());
    result.power_min = std::min(result.power_min, car.power());
    const int climbed = car.elevation() - height;
    height = car.elevation();
    (climbed > 0 ? result.ascent : result.descent) += std::abs(climbed);
    outside += static_cast<double>(car.outside_temp_deci());
    inside += static_cast<double>(car.inside_temp_deci());
    result.arrived = car.distance_to(plan.target) < 40 + 2 * car.speed();
    if (result.arrived || result.positions >= plan.most_positions || time > plan.latest_end) {
      break;
    }
    const double seconds = random.real(1.0, 3.0);
    time += static_cast<Microseconds>(seconds * 1e6);
    car.drive(plan.target, seconds);
  }
  const auto count = static_cast<double>(result.positions);
  result.outside_deci = std::llround(outside / count);
  result.inside_deci = std::llround(inside / count);
  car.stop();
  return result;
}

}  // namespace tmb::sample
