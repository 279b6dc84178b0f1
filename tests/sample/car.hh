// SPDX-License-Identifier: MIT
// One car that moves: position along roads, speed, power, battery, temperatures, tyres. Advances in small
// steps and can write itself as a row of positions. Knows no drives, charges or other cars.
#pragma once

#include <cstdint>
#include <optional>

#include "copy_text.hh"
#include "random.hh"

namespace tmb::sample {

// Degrees; origin-free, so that a day's script can use differences.
struct Spot {
  double latitude = 0;
  double longitude = 0;
};

struct CarTraits {
  int id = 1;
  double battery_kwh = 60;
  double full_ideal_km = 450;
  double full_rated_km = 420;
  bool has_rear_defroster = true;
};

// Timestamps to the millisecond and the odometer to the millimetre, or every digit the columns can hold:
// the harder case for compression.
enum class Precision { rounded, full };

class Car {
 public:
  Car(CarTraits traits, Spot start, double odometer_km, Random& random);

  const CarTraits& traits() const { return traits_; }
  Spot spot() const { return spot_; }
  double odometer_km() const;
  double charge_percent() const { return charge_; }
  std::int64_t ideal_range_centi() const { return range(traits_.full_ideal_km); }  // 0.01 km
  std::int64_t rated_range_centi() const { return range(traits_.full_rated_km); }
  int battery_level() const { return static_cast<int>(charge_); }
  int usable_level() const;
  int speed() const { return static_cast<int>(speed_ * 3.6); }
  int power() const { return power_; }
  int elevation() const { return static_cast<int>(elevation_); }
  std::int64_t outside_temp_deci() const;  // 0.1 °C
  std::int64_t inside_temp_deci() const;

  // Straight-line metres to a spot.
  double distance_to(Spot spot) const;
  // Weather of the season and the hour; the cabin takes the outside's warmth.
  void park(Microseconds now, double hours);
  // `roads` 0 town, 1 country, 2 motorway.
  void start_driving(int roads);
  // Moves towards `target` for `seconds`.
  void drive(Spot target, double seconds);
  void stop();
  void set_charge(double percent) { charge_ = percent; }

  // A row as the API's poll gives it (full), or the streaming interface with many NULLs.
  // `with_elevation` false leaves elevation NULL: TeslaMate looks it up later.
  void append_position(CopyText& rows, std::int64_t id, Microseconds date, std::optional<std::int64_t> drive,
                       bool full, bool with_elevation);
  void use_precision(Precision precision) { precision_ = precision; }

 private:
  std::int64_t range(double full_km) const;

  CarTraits traits_;
  Random& random_;
  Precision precision_ = Precision::full;
  Spot spot_;
  double noise_north_ = 0;  // metres the receiver is off, moving slowly
  double noise_east_ = 0;
  double metres_per_degree_east_;
  double odometer_;       // km
  double charge_ = 71;    // per cent
  double thrift_ = 0.86;  // how far the car thinks it gets, from what it used lately
  double speed_ = 0;      // m/s
  double wanted_speed_ = 0;
  double heading_off_ = 0;  // radians away from the straight line to the target
  double bend_ = 0;
  double halt_seconds_ = 0;
  double elevation_ = 519;
  double slope_ = 0;
  double outside_ = 11;
  double inside_ = 14;
  double tyres_[4] = {2.94, 2.92, 2.87, 2.91};
  int power_ = 0;
  int roads_ = 0;
  int fan_ = 3;
  int set_temp_deci_ = 205;
};

}  // namespace tmb::sample
