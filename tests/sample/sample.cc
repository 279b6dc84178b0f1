// SPDX-License-Identifier: MIT
#include "sample.hh"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "base/error.hh"
#include "charge.hh"
#include "schema.hh"
#include "trip.hh"
#include "vault.hh"

namespace tmb::sample {

namespace {

constexpr Microseconds last_moment = 1'794'686'400LL * second;  // 2026-11-14 20:00:00 UTC
constexpr std::int64_t positions_per_drive = 500;               // about, with the parked ones
constexpr std::int64_t most_days = 3000;
constexpr std::int64_t open_drive_positions = 40;

struct Place {
  Spot spot;
  std::int64_t address = 0;
  std::optional<std::int64_t> geofence;
};

struct Life {
  Car car;
  Place here;
  std::vector<Place> places;  // the first is home
  Microseconds state_since = 0;
  std::int64_t drives = 0;
};

// Two cars whose settings are crossed: removing car_settings by a car's id removes the other car.
struct CarRow {
  int id;
  int settings;
  std::int64_t eid;
  std::int64_t vid;
  std::string_view model;
  double efficiency;
  std::string_view vin;
  std::string_view name;
  std::string_view trim;
  std::string_view color;
  std::string_view marketing;
};
constexpr std::array<CarRow, 2> car_rows{{
    {1, 2, 1126000012345678, 1519000111, "3", 0.1527, "5YJ3E7EB2KF000316", "Blitz", "74D", "MidnightSilver",
     "LR AWD"},
    {2, 1, 1126000087654321, 1519000222, "Y", 0.1615, "7SAYGDEF8PF000042", "Käthe", "74", "DeepBlue", "RWD"},
}};

class Generator {
 public:
  Generator(Script& script, const Options& options)
      : script_(script), options_(options), random_(options.seed) {}

  void run() {
    script_.sql(schema_before_data());
    plan_calendar();
    write_settled_tables();
    make_lives();
    if (!options_.plain_values) {
      append_nasty_rows(script_, next_, random_);
    }
    while (left() > open_drive_positions + 1) {
      next_outing();
    }
    leave_open_charge(lives_[1]);
    leave_open_drive(lives_[0]);
    for (Life& life : lives_) {
      append_state(life, "online", life.state_since, std::nullopt);
    }
    script_.flush();
    write_sequences();
    script_.sql(schema_after_data());
  }

 private:
  std::int64_t left() const { return options_.positions - (next_.position - 1); }

  void plan_calendar() {
    const std::int64_t outings = std::max<std::int64_t>(8, options_.positions / positions_per_drive);
    const Microseconds span = std::clamp<std::int64_t>(outings / 4, 2, most_days) * day;
    slot_ = span / outings;
    first_moment_ = last_moment - span;
    now_ = first_moment_;
    planned_ = first_moment_;
  }

  CopyText& rows(Table table) { return script_.rows(table); }

  void write_settled_tables() {
    CopyText& migrations = rows(Table::schema_migrations);
    for (int i = 0; i < migration_count; ++i) {
      // From March 2019 on, the last one as TeslaMate v3.1.0 has it.
      const long long month = 2 + static_cast<long long>(i) * 84 / migration_count;
      const long long version = (2019 + month / 12) * 10'000'000'000 + (month % 12 + 1) * 100'000'000 +
                                (1 + i % 28) * 1'000'000 + (i * 7 % 24) * 10'000 + i * 13 % 60 * 100 + i % 60;
      migrations.integer(i + 1 == migration_count ? newest_migration : version);
      migrations.timestamp(first_moment_ - day).end_row();
    }
    rows(Table::settings).integer(1).timestamp(first_moment_ - day).timestamp(first_moment_);
    rows(Table::settings).text("km").text("C").text("rated").text("http://teslamate.example:4000");
    rows(Table::settings).text("http://grafana.example:3000").text("de").text("bar").text("system").end_row();
    for (const int id : {1, 2}) {
      rows(Table::car_settings).integer(id).integer(id == 1 ? 21 : 12).integer(15).boolean(false);
      rows(Table::car_settings).boolean(id == 2).boolean(true).boolean(true).boolean(id == 1).end_row();
    }
    for (const CarRow& car : car_rows) {
      rows(Table::cars)
          .integer(car.id)
          .integer(car.eid)
          .integer(car.vid)
          .text(car.model)
          .real(car.efficiency);
      rows(Table::cars).timestamp(first_moment_).timestamp(last_moment / second * second).text(car.vin);
      const bool nasty = !options_.plain_values && car.id == 2;
      rows(Table::cars)
          .text(nasty ? "Käthe 🚗 \"d'Or\"\t\\N\n\\." : car.name)
          .text(nasty ? "" : car.trim)
          .integer(car.settings)
          .text(nasty ? "\\N" : car.color)
          .text("None");
      rows(Table::cars).text("Pinwheel18").integer(car.id).text(car.marketing).end_row();
    }
    write_token();
  }

  std::string token_text(std::size_t length) {
    static constexpr std::string_view letters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::string text = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.";
    while (text.size() < length) {
      text += letters[random_.next() % letters.size()];
    }
    return text;
  }

  void write_token() {
    CopyText& tokens = rows(Table::tokens);
    tokens.integer(1).timestamp(first_moment_).timestamp(last_moment);
    for (const std::size_t length : {std::size_t{900}, std::size_t{1100}}) {
      std::array<std::uint8_t, 12> nonce{};
      for (auto& byte : nonce) {
        byte = static_cast<std::uint8_t>(random_.next());
      }
      tokens.text("\\x" + sealed_token_hex(token_text(length), sample_encryption_key, nonce));
    }
    tokens.end_row();
  }

  void make_lives() {
    const Spot home{48.137154 + random_.real(-0.2, 0.2), 11.575382 + random_.real(-0.2, 0.2)};
    for (const CarRow& row : car_rows) {
      CarTraits traits;
      traits.id = row.id;
      traits.battery_kwh = row.id == 1 ? 74 : 60;
      traits.full_ideal_km = row.id == 1 ? 512 : 455;
      traits.full_rated_km = row.id == 1 ? 488 : 430;
      lives_.push_back(
          {Car(traits, home, row.id == 1 ? 8123.456789 : 311.020517, random_), {}, {}, first_moment_, 0});
    }
    for (Life& life : lives_) {
      life.car.use_precision(options_.precision);
      life.places.push_back(lives_[0].places.empty() ? new_place(home, true) : lives_[0].places[0]);
      for (int i = 0; i < 11; ++i) {
        const Spot spot = around(home, i < 6 ? 3'800 : 9'500);
        life.places.push_back(new_place(spot, i % 4 == 0));
      }
      life.here = life.places[0];
    }
  }

  Spot around(Spot centre, double metres) {
    return {centre.latitude + random_.bell() * metres / 111'320,
            centre.longitude + random_.bell() * metres / 74'400};
  }

  Place new_place(Spot spot, bool with_geofence) {
    Place place{spot, append_address(spot), std::nullopt};
    if (with_geofence) {
      CopyText& fences = rows(Table::geofences);
      place.geofence = next_.geofence++;
      const bool home = *place.geofence == 1;
      fences.integer(*place.geofence).text(home ? "Zuhause" : "Ort " + std::to_string(*place.geofence));
      fences.decimal(std::llround(spot.latitude * 1e6), 6).decimal(std::llround(spot.longitude * 1e6), 6);
      fences.integer(home ? 25 : random_.integer(20, 120)).timestamp(first_moment_).timestamp(first_moment_);
      if (home) {
        fences.decimal(2875, 4).null();
      } else {
        fences.null().null();
      }
      fences.text(*place.geofence % 3 == 0 ? "per_minute" : "per_kwh").end_row();
    }
    return place;
  }

  std::int64_t append_address(Spot spot) {
    static constexpr std::array<std::string_view, 12> roads{
        "Lindenstraße", "Am Mühlbach", "Bahnhofstraße",   "Schulweg",   "Rosenheimer Straße", "Gartenweg",
        "Hauptstraße",  "Forstweg",    "Dachauer Straße", "Kirchplatz", "Ringstraße",         "An der Isar"};
    static constexpr std::array<std::string_view, 6> towns{"München", "Freising",  "Erding",
                                                           "Dachau",  "Starnberg", "Ebersberg"};
    const std::string road{roads[random_.next() % roads.size()]};
    const std::string town{towns[random_.next() % towns.size()]};
    const std::string number = std::to_string(random_.integer(1, 140));
    const std::string postcode = std::to_string(random_.integer(80331, 85999));
    const std::string osm = std::to_string(100'000'000 + next_.address * 7919 + random_.integer(0, 7000));
    const std::string lat = std::to_string(spot.latitude);
    const std::string lon = std::to_string(spot.longitude);
    const std::string shown = number + ", " + road + ", " + town + ", Bayern, " + postcode + ", Deutschland";
    const std::string raw =
        R"({"lat": ")" + lat + R"(", "lon": ")" + lon + R"(", "type": "house", "osm_id": )" + osm +
        R"(, "address": {"city": ")" + town + R"(", "road": ")" + road +
        R"(", "state": "Bayern", "country": )" + R"("Deutschland", "postcode": ")" + postcode +
        R"(", "country_code": "de", "house_number": ")" + number +
        R"(", "ISO3166-2-lvl4": "DE-BY"}, "licence": "sample data", "osm_type": "node", "boundingbox": [")" +
        lat + R"(", ")" + lat + R"(", ")" + lon + R"(", ")" + lon + R"("], "display_name": ")" + shown +
        R"("})";
    CopyText& addresses = rows(Table::addresses);
    addresses.integer(next_.address).text(shown).decimal(std::llround(spot.latitude * 1e6), 6);
    addresses.decimal(std::llround(spot.longitude * 1e6), 6)
        .text(road + " " + number)
        .text(number)
        .text(road)
        .null();
    addresses.text(town)
        .text("Landkreis " + town)
        .text(postcode)
        .text("Bayern")
        .null()
        .text("Deutschland")
        .text(raw);
    addresses.timestamp(now_ / second * second)
        .timestamp(now_ / second * second)
        .text(osm)
        .text("node")
        .end_row();
    return next_.address++;
  }

  void append_state(const Life& life, std::string_view state, Microseconds from,
                    std::optional<Microseconds> to) {
    CopyText& states = rows(Table::states);
    states.integer(next_.state++).text(state).timestamp(from);
    if (to) {
      states.timestamp(*to);
    } else {
      states.null();
    }
    states.integer(life.car.traits().id).end_row();
  }

  // The car sleeps, wakes up, drives somewhere, stands online for a while, charges now and then.
  void next_outing() {
    Life& life = lives_[random_.chance(0.6) ? 0 : 1];
    Microseconds time = now_ + static_cast<Microseconds>(random_.unit() * 0.25 * static_cast<double>(slot_));
    const Microseconds latest_end = std::max(planned_ + slot_ * 9 / 10, time + slot_ / 3);
    planned_ += slot_;
    const double parked_hours =
        static_cast<double>(time - life.state_since) / static_cast<double>(60 * minute);
    life.car.park(time, std::max(0.05, parked_hours));
    append_state(life, random_.chance(0.03) ? "offline" : "asleep", life.state_since, time);
    life.state_since = time;
    append_parked(life, time, random_.integer(1, 3));
    time = append_drive(life, time, latest_end);
    append_parked(life, time, random_.integer(8, 30));
    if (life.car.charge_percent() < 24 || random_.chance(0.25)) {
      append_charging(life, time);
    }
    if (random_.chance(0.02)) {
      rows(Table::updates).integer(next_.update).timestamp(time).timestamp(time + 23 * minute + 417'000);
      const std::string version =
          std::to_string(2018 + next_.update / 20) + "." + std::to_string(next_.update % 44);
      rows(Table::updates)
          .text(version + ".3 " + token_text(48).substr(37))
          .integer(life.car.traits().id)
          .end_row();
      ++next_.update;
    }
    append_state(life, "online", life.state_since, time + 1'234);
    life.state_since = time + 1'234;
    now_ = std::max(planned_, time + minute);
  }

  // Polls of the standing car; moves `time` on.
  void append_parked(Life& life, Microseconds& time, int count) {
    for (; count > 0 && left() > open_drive_positions + 1; --count) {
      time += static_cast<Microseconds>(random_.real(9, 21) * 1e6);
      life.car.append_position(rows(Table::positions), next_.position++, moment(time, options_.precision),
                               std::nullopt, true, !is_recent());
    }
    script_.spill_if_large();
  }

  // TeslaMate looks the elevation up later; the last drive has none yet.
  bool is_recent() const { return left() < 2'500; }

  Spot choose_target(Life& life, Place& target) {
    const Place& home = life.places[0];
    if (life.car.distance_to(home.spot) > 25'000 || random_.chance(0.3)) {
      target = home;
    } else if (random_.chance(0.12)) {
      target = {around(home.spot, random_.chance(0.08) ? 45'000 : 7'200), 0, std::nullopt};
    } else {
      target = life.places[random_.next() % life.places.size()];
    }
    if (life.car.distance_to(target.spot) < 800) {
      target = {around(life.car.spot(), 5'000), 0, std::nullopt};
    }
    return target.spot;
  }

  Microseconds append_drive(Life& life, Microseconds start, Microseconds latest_end) {
    if (left() <= open_drive_positions + 3) {
      return start;
    }
    Place target;
    TripPlan plan;
    plan.target = choose_target(life, target);
    plan.drive = next_.drive;
    plan.first_position = next_.position;
    plan.start = start + 8 * second + 311'000;
    plan.latest_end = latest_end;
    plan.most_positions = std::min<std::int64_t>(6'000, left() - open_drive_positions - 1);
    plan.with_elevation = !is_recent();
    plan.precision = options_.precision;
    const Car before = life.car;
    const TripResult trip = append_trip(life.car, script_, plan, random_);
    next_.position += trip.positions;
    ++next_.drive;
    const Place from = life.here;
    if (!trip.arrived) {
      target = {life.car.spot(), 0, std::nullopt};
    }
    if (target.address == 0) {
      target.address = append_address(target.spot);
    }
    life.here = target;

    CopyText& drives = rows(Table::drives);
    drives.integer(plan.drive).timestamp(moment(plan.start, plan.precision)).timestamp(trip.end);
    drives.decimal(trip.outside_deci, 1)
        .integer(trip.speed_max)
        .integer(trip.power_max)
        .integer(trip.power_min);
    drives.decimal(before.ideal_range_centi(), 2).decimal(life.car.ideal_range_centi(), 2);
    drives.real(before.odometer_km())
        .real(life.car.odometer_km())
        .real(life.car.odometer_km() - before.odometer_km());
    drives.integer((trip.end - plan.start + minute / 2) / minute).integer(life.car.traits().id);
    drives.decimal(trip.inside_deci, 1).integer(from.address).integer(target.address);
    drives.decimal(before.rated_range_centi(), 2).decimal(life.car.rated_range_centi(), 2);
    drives.integer(plan.first_position)
        .integer(next_.position - 1)
        .integer(from.geofence)
        .integer(target.geofence);
    drives.integer(trip.ascent).integer(trip.descent).end_row();
    return trip.end;
  }

  void append_charging(Life& life, Microseconds& time) {
    if (left() <= open_drive_positions + 1) {
      return;
    }
    const Car before = life.car;
    const std::int64_t position = next_.position;
    append_parked(life, time, 1);
    ChargePlan plan;
    plan.first_charge = next_.charge;
    plan.process = next_.process;
    plan.start = moment(time, options_.precision);
    plan.fast = random_.chance(0.15);
    plan.until_percent = std::min(100.0, std::max(life.car.charge_percent() + 4, random_.real(70, 92)));
    plan.most_rows = plan.fast ? 60 : 130;
    const ChargeResult result = append_charge(life.car, rows(Table::charges), plan, random_);
    next_.charge += result.rows;
    ++next_.process;
    time = result.end;

    CopyText& processes = rows(Table::charging_processes);
    processes.integer(plan.process)
        .timestamp(plan.start)
        .timestamp(result.end)
        .decimal(result.added_centi, 2);
    processes.decimal(before.ideal_range_centi(), 2).decimal(life.car.ideal_range_centi(), 2);
    processes.integer(before.battery_level()).integer(life.car.battery_level());
    processes.integer((result.end - plan.start) / minute).decimal(before.outside_temp_deci(), 1);
    processes.integer(life.car.traits().id).integer(position).integer(life.here.address);
    processes.decimal(before.rated_range_centi(), 2).decimal(life.car.rated_range_centi(), 2);
    processes.integer(life.here.geofence).decimal(result.used_centi, 2);
    if (life.here.geofence) {
      processes.decimal(result.used_centi * 2875 / 10'000, 2);
    } else {
      processes.null();
    }
    processes.end_row();
  }

  void leave_open_charge(Life& life) {
    const std::int64_t position = next_.position++;
    const Car before = life.car;
    life.car.append_position(rows(Table::positions), position, moment(now_, options_.precision), std::nullopt,
                             true, false);
    ChargePlan plan;
    plan.first_charge = next_.charge;
    plan.process = next_.process++;
    plan.start = moment(now_ + 5 * second, options_.precision);
    plan.most_rows = 7;
    plan.until_percent = 101;
    next_.charge += append_charge(life.car, rows(Table::charges), plan, random_).rows;
    CopyText& processes = rows(Table::charging_processes);
    processes.integer(plan.process)
        .timestamp(plan.start)
        .null()
        .null()
        .decimal(before.ideal_range_centi(), 2)
        .null();
    processes.integer(before.battery_level())
        .null()
        .null()
        .null()
        .integer(life.car.traits().id)
        .integer(position);
    processes.integer(life.here.address)
        .decimal(before.rated_range_centi(), 2)
        .null()
        .integer(life.here.geofence);
    processes.null().null().end_row();
  }

  // As TeslaMate leaves it when it is stopped on the road: the drive knows its start and its car only.
  void leave_open_drive(Life& life) {
    TripPlan plan;
    plan.drive = next_.drive++;
    plan.first_position = next_.position;
    plan.start = now_ + 20 * minute;
    plan.latest_end = plan.start + day;
    plan.most_positions = open_drive_positions;
    plan.target = around(life.car.spot(), 40'000);
    plan.target.latitude += 0.2;  // far enough not to arrive
    plan.with_elevation = false;
    plan.precision = options_.precision;
    next_.position += append_trip(life.car, script_, plan, random_).positions;
    CopyText& drives = rows(Table::drives);
    drives.integer(plan.drive).timestamp(moment(plan.start, plan.precision));
    for (int i = 0; i < 11; ++i) {
      drives.null();
    }
    drives.integer(life.car.traits().id);
    for (int i = 0; i < 11; ++i) {
      drives.null();
    }
    drives.end_row();
  }

  // Ahead of the data, as after deleted rows and rolled back inserts; geofences' is set but not yet called.
  void write_sequences() {
    const auto set = [this](std::string_view sequence, std::int64_t value, bool called = true) {
      script_.sql("SELECT pg_catalog.setval('" + std::string(sequence) + "', " + std::to_string(value) +
                  (called ? ", true);\n" : ", false);\n"));
    };
    set("private.tokens_id_seq", 1);
    set("public.addresses_id_seq", next_.address + 4);
    set("public.car_settings_id_seq", 2);
    set("public.cars_id_seq", 2);
    set("public.charges_id_seq", next_.charge + 32);
    set("public.charging_processes_id_seq", next_.process + 2);
    set("public.trips_id_seq", next_.drive + 11);
    set("public.geofences_id_seq", next_.geofence + 3, false);
    set("public.positions_id_seq", next_.position + 1000);
    set("public.settings_id_seq", 1);
    set("public.states_id_seq", next_.state + 7);
    set("public.updates_id_seq", next_.update);
  }

  Script& script_;
  const Options& options_;
  Random random_;
  NextIds next_;
  std::vector<Life> lives_;
  Microseconds slot_ = 0;
  Microseconds first_moment_ = 0;
  Microseconds planned_ = 0;  // when this slot begins
  Microseconds now_ = 0;      // and when the last outing is over, if that is later
};

}  // namespace

void write_sample(Script& script, const Options& options) { Generator(script, options).run(); }

}  // namespace tmb::sample
