// SPDX-License-Identifier: MIT
// A drive, a charge and a car as a person knows them: whose, when, where, how far. Read only. Times are
// PostgreSQL's text, UTC.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "postgres/connection.hh"
#include "report/json.hh"
#include "teslamate/ids.hh"

namespace tmb::teslamate {

struct Drive {
  std::int64_t id = 0;
  std::int64_t car_id = 0;
  std::string car;
  std::string start;
  std::optional<std::string> end;  // none: it is open
  std::optional<double> km;        // as TeslaMate stored it; none while it is open
  std::string from;
  std::string to;
  std::uint64_t positions = 0;
  std::optional<double> measured_km;  // between its first and last position
  std::string last_position;          // time of it; empty when there is none
  std::optional<double> age_seconds;  // of the last position, or of the start where there is none

  bool is_open() const { return !end; }
  // TeslaMate deletes it when it closes it: lib/teslamate/log.ex, close_drive.
  bool is_too_short() const { return positions < 2 || !measured_km || *measured_km < 0.01; }
};

struct Charge {
  std::int64_t id = 0;
  std::int64_t car_id = 0;
  std::string car;
  std::string start;
  std::optional<std::string> end;
  std::optional<double> kwh;
  std::optional<std::string> cost;
  std::string place;
  std::uint64_t charges = 0;
  std::string last_charge;
  std::optional<double> age_seconds;

  bool is_open() const { return !end; }
};

struct CarRow {
  std::int64_t id = 0;
  std::string name;
  std::string vin;
  std::string model;
  std::int64_t settings_id = 0;
  std::uint64_t drives = 0;
  double km = 0;  // of all of them
  std::uint64_t charges = 0;
  std::string first;  // of drives and charges; empty when there are none
  std::string last;
};

// Those that are there, by id.
std::vector<Drive> read_drives(postgres::Connection& connection, const Ids& ids);
std::vector<Charge> read_charges(postgres::Connection& connection, const Ids& ids);
std::vector<CarRow> read_car_rows(postgres::Connection& connection, const Ids& ids);

// Without an end; `car_id` 0: of every car.
Ids read_open_drives(postgres::Connection& connection, std::int64_t car_id = 0);
Ids read_open_charges(postgres::Connection& connection, std::int64_t car_id = 0);

// Throws not_found naming those of `ids` that are missing.
void require_all(const std::vector<std::int64_t>& found, const Ids& ids, std::string_view what);

std::string describe(const Drive& drive);
std::string describe(const Charge& charge);
std::string describe(const CarRow& car);
report::Json to_json(const Drive& drive);
report::Json to_json(const Charge& charge);
report::Json to_json(const CarRow& car);

// Tables for people.
std::vector<std::string> open_drives_table(const std::vector<Drive>& drives);
std::vector<std::string> open_charges_table(const std::vector<Charge>& charges);

// PostgreSQL's timestamp, UTC, in the user's time zone and to the minute; as it is where it is no such thing
// (infinity).
std::string local_moment(const std::string& timestamp);

}  // namespace tmb::teslamate
