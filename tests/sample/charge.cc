// SPDX-License-Identifier: MIT
#include "charge.hh"

#include <algorithm>
#include <cmath>

namespace tmb::sample {

ChargeResult append_charge(Car& car, CopyText& charges, const ChargePlan& plan, Random& random) {
  ChargeResult result;
  Microseconds date = plan.start;
  double added_kwh = 0;
  double used_kwh = 0;
  do {
    const double fade = std::max(0.15, 1.35 - car.charge_percent() / 75);
    const int volts = plan.fast ? random.integer(372, 396) : random.integer(226, 236);
    const double kilowatts =
        plan.fast ? 135 * std::min(1.0, fade) + random.bell() * 2 : 10.9 + random.bell() * 0.2;
    charges.integer(plan.first_charge + result.rows).timestamp(date).boolean(false);
    charges.integer(car.battery_level()).decimal(std::llround(added_kwh * 100), 2);
    charges.integer(plan.fast ? 0 : 16);
    if (plan.fast) {
      charges.null();
    } else {
      charges.integer(3);
    }
    charges.integer(plan.fast ? 0 : 16).integer(std::lround(kilowatts)).integer(volts);
    charges.boolean(plan.fast).text(plan.fast ? "<invalid>" : "IEC");
    charges.text(plan.fast ? "Tesla" : "<invalid>").text(plan.fast ? "Combo" : "ACSingleWireCAN");
    charges.decimal(car.ideal_range_centi(), 2).boolean(false).decimal(car.outside_temp_deci(), 1);
    charges.integer(plan.process).boolean(false).null().decimal(car.rated_range_centi(), 2);
    charges.integer(car.usable_level()).end_row();
    ++result.rows;
    const auto step = static_cast<Microseconds>(random.real(52'000, 68'000)) * 1000;
    const double hours = static_cast<double>(step) / static_cast<double>(60 * minute);
    const double into_battery = kilowatts * hours * 0.93;
    added_kwh += into_battery;
    used_kwh += kilowatts * hours;
    car.set_charge(std::min(100.0, car.charge_percent() + into_battery / car.traits().battery_kwh * 100));
    date += step;
  } while (car.charge_percent() < plan.until_percent && result.rows < plan.most_rows);
  result.end = date;
  result.added_centi = std::llround(added_kwh * 100);
  result.used_centi = std::llround(used_kwh * 100);
  return result;
}

}  // namespace tmb::sample
