// SPDX-License-Identifier: MIT
#include "sample.hh"

#include <algorithm>
#include <array>
#include <string>

#include "charge.hh"
#include "trip.hh"
#include "vault.hh"

namespace tmb::sample {

namespace {

constexpr std::int64_t longest_drive = 1'500;  // positions
constexpr Microseconds first_drive = 7 * 60 * minute;

// The day is simulated from a standing start at 0°, 0 km, 1970-01-01 into temporary tables; SQL then adds
// what the database holds last, and takes ids from its sequences.
constexpr std::string_view beginning = R"sql(BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, MDY';
SET LOCAL search_path = public;

CREATE TEMP TABLE sample_day ON COMMIT DROP AS
SELECT last.car_id, last.latitude, last.longitude, last.odometer,
       date_trunc('day', (SELECT date FROM positions ORDER BY id DESC LIMIT 1)) + interval '1 day' AS starts,
       (SELECT min(id) FROM cars WHERE id <> last.car_id) AS other_car_id,
       nextval('addresses_id_seq')::integer AS address_id,
       nextval('charging_processes_id_seq')::integer AS process_id,
       nextval('charging_processes_id_seq')::integer AS open_process_id
FROM positions AS last
WHERE last.car_id = (SELECT min(id) FROM cars) AND last.odometer BETWEEN 0 AND 1e8 AND last.latitude <> 'NaN'
ORDER BY last.id DESC LIMIT 1;
CREATE TEMP TABLE sample_day_position (LIKE public.positions) ON COMMIT DROP;
CREATE TEMP TABLE sample_day_charge (LIKE public.charges) ON COMMIT DROP;

)sql";

// What TeslaMate changes in older rows: heights looked up for yesterday's drives, the charge that was still
// running, the state that ended.
constexpr std::string_view changes_of_old_rows = R"sql(
UPDATE positions SET elevation = 480 + id % 97
WHERE elevation IS NULL AND id > (SELECT max(id) FROM positions) - 200000 AND drive_id IN
      (SELECT id FROM drives WHERE end_date IS NOT NULL ORDER BY id DESC LIMIT 100);

UPDATE charging_processes AS process
SET end_date = sums.end_date, charge_energy_added = sums.added,
    charge_energy_used = round(sums.added * 1.08, 2),
    end_ideal_range_km = sums.ideal, end_rated_range_km = sums.rated, end_battery_level = sums.level,
    duration_min = round(extract(epoch FROM sums.end_date - process.start_date) / 60),
    outside_temp_avg = sums.outside
FROM (SELECT charging_process_id, max(date) AS end_date, max(charge_energy_added) AS added,
             max(ideal_battery_range_km) AS ideal, max(rated_battery_range_km) AS rated,
             max(battery_level) AS level, round(avg(outside_temp), 1) AS outside
      FROM charges GROUP BY charging_process_id) AS sums
WHERE process.end_date IS NULL AND process.id = sums.charging_process_id;

UPDATE states SET end_date = (SELECT starts FROM sample_day) + interval '6 hours'
WHERE end_date IS NULL AND start_date < (SELECT starts FROM sample_day);
)sql";

constexpr std::string_view new_rows = R"sql(
INSERT INTO states (state, start_date, end_date, car_id)
SELECT span.state::states_status, starts + span.since, starts + span.until, cars.id
FROM sample_day, cars,
     (VALUES ('asleep', interval '6 hours', interval '6 hours 58 minutes 3.000271 seconds'),
             ('online', interval '6 hours 58 minutes 3.000271 seconds', interval '21 hours 4 minutes'),
             ('asleep', interval '21 hours 4 minutes', NULL)) AS span(state, since, until)
ORDER BY cars.id, span.since;

INSERT INTO addresses (id, display_name, latitude, longitude, name, house_number, road, city, postcode, state,
                       country, raw, inserted_at, updated_at, osm_id, osm_type)
SELECT address_id, 'Neue Straße ' || address_id, latitude, longitude, 'Neue Straße', address_id,
       'Neue Straße',
       'München', '80331', 'Bayern', 'Deutschland',
       jsonb_build_object('lat', latitude, 'lon', longitude, 'osm_id', 900000000 + address_id),
       starts, starts, 900000000 + address_id, 'way'
FROM sample_day;

CREATE TEMP TABLE sample_day_drive ON COMMIT DROP AS
SELECT number, nextval('trips_id_seq')::integer AS drive_id
FROM (SELECT DISTINCT drive_id AS number FROM sample_day_position WHERE drive_id IS NOT NULL
      ORDER BY 1) AS numbers;
INSERT INTO drives (id, start_date, car_id)
SELECT drive_id, starts, car_id FROM sample_day, sample_day_drive ORDER BY drive_id;

CREATE TEMP TABLE sample_day_numbered ON COMMIT DROP AS
SELECT id, nextval('positions_id_seq')::integer AS new_id
FROM (SELECT id FROM sample_day_position ORDER BY id) AS ordered;
INSERT INTO positions
SELECT numbered.new_id, starts + (date - timestamp '1970-01-01'), new.latitude + sample_day.latitude,
       new.longitude + sample_day.longitude, speed, power, new.odometer + sample_day.odometer,
       ideal_battery_range_km, battery_level, outside_temp, elevation, fan_status, driver_temp_setting,
       passenger_temp_setting, is_climate_on, is_rear_defroster_on, is_front_defroster_on, sample_day.car_id,
       drive.drive_id, inside_temp, battery_heater, battery_heater_on, battery_heater_no_power,
       est_battery_range_km, rated_battery_range_km, usable_battery_level, tpms_pressure_fl, tpms_pressure_fr,
       tpms_pressure_rl, tpms_pressure_rr
FROM sample_day, sample_day_position AS new
JOIN sample_day_numbered AS numbered USING (id)
LEFT JOIN sample_day_drive AS drive ON drive.number = new.drive_id
ORDER BY numbered.new_id;

UPDATE drives
SET start_date = sums.start_date, end_date = sums.end_date, start_km = sums.start_km, end_km = sums.end_km,
    distance = sums.end_km - sums.start_km, start_position_id = sums.first_id, end_position_id = sums.last_id,
    duration_min = round(extract(epoch FROM sums.end_date - sums.start_date) / 60), speed_max = sums.speed_max,
    power_max = sums.power_max, power_min = sums.power_min, outside_temp_avg = sums.outside,
    inside_temp_avg = sums.inside, start_ideal_range_km = sums.ideal_max, end_ideal_range_km = sums.ideal_min,
    start_rated_range_km = sums.rated_max, end_rated_range_km = sums.rated_min,
    end_address_id = sample_day.address_id, ascent = 31, descent = 28
FROM sample_day,
     (SELECT drive_id, min(date) AS start_date, max(date) AS end_date, min(odometer) AS start_km,
             max(odometer) AS end_km, min(id) AS first_id, max(id) AS last_id, max(speed) AS speed_max,
             max(power) AS power_max, min(power) AS power_min, round(avg(outside_temp), 1) AS outside,
             round(avg(inside_temp), 1) AS inside, max(ideal_battery_range_km) AS ideal_max,
             min(ideal_battery_range_km) AS ideal_min, max(rated_battery_range_km) AS rated_max,
             min(rated_battery_range_km) AS rated_min
      FROM positions WHERE id >= (SELECT min(new_id) FROM sample_day_numbered) GROUP BY drive_id) AS sums
WHERE drives.id = sums.drive_id AND drives.id IN (SELECT drive_id FROM sample_day_drive);

INSERT INTO charging_processes (id, start_date, end_date, charge_energy_added, charge_energy_used,
    start_ideal_range_km, end_ideal_range_km, start_rated_range_km, end_rated_range_km, start_battery_level,
    end_battery_level, duration_min, outside_temp_avg, car_id, position_id, address_id, cost)
SELECT process_id, starts + (sums.start_date - timestamp '1970-01-01'),
       starts + (sums.end_date - timestamp '1970-01-01'), sums.added, round(sums.added * 1.08, 2),
       sums.ideal_min, sums.ideal_max, sums.rated_min, sums.rated_max, sums.level_min, sums.level_max,
       round(extract(epoch FROM sums.end_date - sums.start_date) / 60), sums.outside, car_id,
       (SELECT max(new_id) FROM sample_day_numbered), address_id, round(sums.added * 0.29, 2)
FROM sample_day,
     (SELECT min(date) AS start_date, max(date) AS end_date, max(charge_energy_added) AS added,
             min(ideal_battery_range_km) AS ideal_min, max(ideal_battery_range_km) AS ideal_max,
             min(rated_battery_range_km) AS rated_min, max(rated_battery_range_km) AS rated_max,
             min(battery_level) AS level_min, max(battery_level) AS level_max,
             round(avg(outside_temp), 1) AS outside
      FROM sample_day_charge WHERE charging_process_id = 1) AS sums;
INSERT INTO charging_processes (id, start_date, start_ideal_range_km, start_rated_range_km,
                                start_battery_level, car_id, position_id, address_id)
SELECT open_process_id, starts + (min(date) - timestamp '1970-01-01'), min(ideal_battery_range_km),
       min(rated_battery_range_km), min(battery_level), other_car_id,
       (SELECT max(id) FROM positions WHERE car_id = other_car_id), address_id
FROM sample_day, sample_day_charge WHERE charging_process_id = 2
GROUP BY open_process_id, starts, other_car_id, address_id;
INSERT INTO charges
SELECT nextval('charges_id_seq'), starts + (date - timestamp '1970-01-01'), battery_heater_on, battery_level,
       charge_energy_added, charger_actual_current, charger_phases, charger_pilot_current, charger_power,
       charger_voltage, fast_charger_present, conn_charge_cable, fast_charger_brand, fast_charger_type,
       ideal_battery_range_km, not_enough_power_to_heat, outside_temp,
       CASE charging_process_id WHEN 1 THEN process_id ELSE open_process_id END, battery_heater,
       battery_heater_no_power, rated_battery_range_km, usable_battery_level
FROM sample_day, (SELECT * FROM sample_day_charge ORDER BY id) AS new;

)sql";

std::string token_update(Random& random) {
  std::string sql = "UPDATE private.tokens SET updated_at = (SELECT starts FROM sample_day)";
  for (const std::string_view column : {"access", "refresh"}) {
    std::array<std::uint8_t, 12> nonce{};
    for (auto& byte : nonce) {
      byte = static_cast<std::uint8_t>(random.next());
    }
    std::string plain = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.";
    while (plain.size() < 900) {
      plain += static_cast<char>('a' + random.integer(0, 25));
    }
    sql.append(",\n    ").append(column).append(" = '\\x");
    sql.append(sealed_token_hex(plain, sample_encryption_key, nonce)).append("'");
  }
  return sql + "\nWHERE id = (SELECT min(id) FROM private.tokens);\nCOMMIT;\n";
}

// A charge for `process` of `rows` rows.
std::int64_t append_day_charge(Car& car, Script& script, Random& random, std::int64_t first,
                               std::int64_t process, Microseconds start, int rows) {
  ChargePlan plan;
  plan.first_charge = first;
  plan.process = process;
  plan.start = start;
  plan.until_percent = 101;
  plan.most_rows = rows;
  return first + append_charge(car, script.rows(Table::charges), plan, random).rows;
}

}  // namespace

void write_day(Script& script, const Options& options) {
  Random random(options.seed * 1'000'003U + static_cast<std::uint64_t>(options.day.value_or(1)));
  CarTraits traits;
  Car car(traits, {}, 0, random);
  car.use_precision(options.precision);
  car.park(first_drive, 10);

  script.sql(beginning);
  script.use_name(Table::positions, "sample_day_position");
  script.use_name(Table::charges, "sample_day_charge");
  const std::int64_t drives =
      std::max<std::int64_t>(1, (options.rows - 2 + longest_drive - 1) / longest_drive);
  std::int64_t next_position = 1;
  Microseconds time = first_drive;
  for (std::int64_t drive = 1; next_position < options.rows - 1; ++drive) {
    TripPlan plan;
    plan.drive = std::min(drive, drives);
    plan.first_position = next_position;
    plan.start = time;
    plan.latest_end = time + day;
    plan.most_positions = std::min(longest_drive, options.rows - 1 - next_position);
    // There and back again, too far to arrive: the number of rows is asked for.
    plan.target = {drive % 2 == 0 ? -0.3 : 0.6, drive % 2 == 0 ? -0.4 : 0.9};
    plan.with_elevation = false;
    plan.precision = options.precision;
    const TripResult trip = append_trip(car, script, plan, random);
    next_position += trip.positions;
    time = trip.end + 2 * second;
    if (car.charge_percent() < 25) {
      car.set_charge(75);
    }
  }
  while (next_position <= options.rows) {
    time += 15 * second;
    car.append_position(script.rows(Table::positions), next_position++, moment(time, options.precision),
                        std::nullopt, true, false);
  }
  const std::int64_t next_charge = append_day_charge(car, script, random, 1, 1, time + minute, 40);
  car.set_charge(46);
  append_day_charge(car, script, random, next_charge, 2, time + 90 * minute, 9);
  script.sql(changes_of_old_rows);
  script.sql(new_rows);
  script.sql(token_update(random));
}

}  // namespace tmb::sample
