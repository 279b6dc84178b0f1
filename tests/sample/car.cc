// SPDX-License-Identifier: MIT
#include "car.hh"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tmb::sample {

namespace {

constexpr double metres_per_degree_north = 111'320;
constexpr double reference_latitude = 48.1;  // degrees: how wide a degree of longitude is
constexpr double radians = std::numbers::pi / 180;
constexpr double mass_kg = 1950;

std::int64_t scaled(double value, double by) { return std::llround(value * by); }

}  // namespace

Car::Car(CarTraits traits, Spot start, double odometer_km, Random& random)
    : traits_(traits),
      random_(random),
      spot_(start),
      metres_per_degree_east_(metres_per_degree_north * std::cos(reference_latitude * radians)),
      odometer_(odometer_km) {}

double Car::odometer_km() const {
  return precision_ == Precision::full ? odometer_ : std::round(odometer_ * 1e6) / 1e6;
}

int Car::usable_level() const { return std::max(0, battery_level() - (outside_ < 2 ? 1 : 0)); }

// The car reports its range in steps of about half a kilometre.
std::int64_t Car::range(double full_km) const {
  return scaled(std::floor(charge_ * 10) / 1000 * full_km, 100);
}

std::int64_t Car::outside_temp_deci() const { return scaled(std::round(outside_ * 2) / 2, 10); }
std::int64_t Car::inside_temp_deci() const { return scaled(inside_, 10); }

double Car::distance_to(Spot spot) const {
  return std::hypot((spot.latitude - spot_.latitude) * metres_per_degree_north,
                    (spot.longitude - spot_.longitude) * metres_per_degree_east_);
}

void Car::park(Microseconds now, double hours) {
  const double year = static_cast<double>(now) / static_cast<double>(day) / 365.2425;
  const double hour = static_cast<double>(now % day) / static_cast<double>(day);
  const double season = 10.5 - 10 * std::cos((year - 0.05) * 2 * std::numbers::pi);
  const double usual = season - 4.5 * std::cos((hour - 0.125) * 2 * std::numbers::pi);
  outside_ += (usual - outside_) * std::min(1.0, hours / 4) + random_.bell() * 1.2;
  outside_ = std::clamp(outside_, -24.0, 41.0);
  inside_ += (outside_ + 3 - inside_) * std::min(1.0, hours / 2);
  charge_ = std::max(3.0, charge_ - hours * 0.03);
  for (double& tyre : tyres_) {
    tyre = std::clamp(tyre + random_.bell() * 0.015 - (tyre - 2.9) * 0.05, 2.5, 3.4);
  }
  fan_ = random_.integer(1, 6);
  if (random_.chance(0.2)) {
    set_temp_deci_ = 195 + 5 * random_.integer(0, 5);
  }
}

void Car::start_driving(int roads) {
  roads_ = roads;
  speed_ = 0;
  halt_seconds_ = 0;
  wanted_speed_ = 9;
  heading_off_ = random_.bell() * 0.6;
}

void Car::drive(Spot target, double seconds) {
  static constexpr double road_speeds[3] = {9.5, 15.5, 28};  // m/s
  const double before = speed_;
  if (halt_seconds_ > 0) {
    halt_seconds_ -= seconds;
    wanted_speed_ = 0;
  } else if (random_.chance(seconds * 0.02) || wanted_speed_ <= 0) {
    const bool halt = wanted_speed_ > 0 && random_.chance(roads_ == 0 ? 0.45 : 0.08);
    halt_seconds_ = halt ? random_.real(6, 45) : 0;
    wanted_speed_ = halt ? 0 : road_speeds[roads_] * random_.real(0.6, 1.25);
  }
  const double remaining = distance_to(target);
  const double wanted = std::min(wanted_speed_, 4 + remaining / 12);
  speed_ += std::clamp(wanted - speed_, -2.4 * seconds, 1.5 * seconds) + random_.bell() * 0.22;
  speed_ = std::max(0.0, speed_);
  if (wanted <= 0 && speed_ < 1) {
    speed_ = 0;
  }
  const double metres = (before + speed_) / 2 * seconds;

  // Roads bend: the car strays from the straight line and comes back to it, less so near the target.
  bend_ += random_.bell() * 0.012 * std::sqrt(seconds) - bend_ * 0.15 * seconds;
  heading_off_ += bend_ * metres / 15 - heading_off_ * std::min(0.5, metres / (150 + remaining / 8));
  const double east = (target.longitude - spot_.longitude) * metres_per_degree_east_;
  const double north = (target.latitude - spot_.latitude) * metres_per_degree_north;
  const double heading = std::atan2(east, north) + heading_off_;
  spot_.latitude += metres * std::cos(heading) / metres_per_degree_north;
  spot_.longitude += metres * std::sin(heading) / metres_per_degree_east_;
  noise_north_ += random_.bell() * 0.35 - noise_north_ * 0.08;
  noise_east_ += random_.bell() * 0.35 - noise_east_ * 0.08;

  slope_ += random_.bell() * 0.0025 - slope_ * 0.03 - (elevation_ - 519) * 2e-6;
  elevation_ = std::clamp(elevation_ + slope_ * metres, 120.0, 2400.0);
  odometer_ += metres * (1 + slope_ * slope_ / 2) / 1000;

  const double force = 170 + 0.42 * speed_ * speed_ + mass_kg * 9.81 * slope_ +
                       mass_kg * (speed_ - before) / std::max(seconds, 0.1);
  const double wheels_kw = force * speed_ / 1000;
  const double battery_kw =
      std::clamp(wheels_kw > 0 ? wheels_kw / 0.88 : wheels_kw * 0.75, -65.0, 190.0) + 0.9;
  power_ = static_cast<int>(std::lround(battery_kw));
  charge_ = std::max(2.0, charge_ - battery_kw * seconds / 3600 / traits_.battery_kwh * 100);
  thrift_ += random_.bell() * 0.0004 - (thrift_ - 0.86) * 0.002;
  inside_ += (static_cast<double>(set_temp_deci_) / 10 - inside_) * std::min(1.0, seconds / 260) +
             random_.bell() * 0.02;
  outside_ += random_.bell() * 0.012;
}

void Car::stop() {
  speed_ = 0;
  power_ = 0;
}

void Car::append_position(CopyText& rows, std::int64_t id, Microseconds date,
                          std::optional<std::int64_t> drive, bool full, bool with_elevation) {
  const double latitude = spot_.latitude + noise_north_ / metres_per_degree_north;
  const double longitude = spot_.longitude + noise_east_ / metres_per_degree_east_;
  rows.integer(id).timestamp(date).decimal(scaled(latitude, 1e6), 6).decimal(scaled(longitude, 1e6), 6);
  rows.integer(speed()).integer(power_);
  rows.real(odometer_km());
  if (full) {
    rows.decimal(ideal_range_centi(), 2);
  } else {
    rows.null();
  }
  rows.integer(battery_level()).decimal(outside_temp_deci(), 1);
  if (with_elevation) {
    rows.integer(elevation());
  } else {
    rows.null();
  }
  if (full) {
    rows.integer(fan_).decimal(set_temp_deci_, 1).decimal(set_temp_deci_, 1);
    rows.boolean(drive.has_value()).boolean(outside_ < 3 && traits_.has_rear_defroster).boolean(false);
  } else {
    rows.null().decimal(set_temp_deci_, 1).null().null().null().null();
  }
  rows.integer(traits_.id).integer(drive).decimal(inside_temp_deci(), 1);
  if (full) {
    rows.boolean(outside_ < -4).boolean(outside_ < -4).null();
  } else {
    rows.null().null().null();
  }
  rows.decimal(scaled(charge_ / 100 * traits_.full_rated_km * thrift_, 100), 2)
      .decimal(rated_range_centi(), 2);
  rows.integer(usable_level());
  for (const double tyre : tyres_) {
    if (full) {
      rows.decimal(scaled(tyre, 10), 1);
    } else {
      rows.null();
    }
  }
  rows.end_row();
}

}  // namespace tmb::sample
