// SPDX-License-Identifier: MIT
// What a person knows a TeslaMate database by: its cars, how much they drove and when.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "postgres/connection.hh"

namespace tmb::teslamate {

struct Car {
  std::int64_t id = 0;
  std::string name;  // or the VIN where it has none
  std::uint64_t drives = 0;
  std::uint64_t charges = 0;
  std::string first_date;  // as PostgreSQL prints a timestamp, UTC; empty when there is none
  std::string last_date;
};

// By id. Empty where the database does not have TeslaMate's tables.
std::vector<Car> read_cars(postgres::Connection& connection);

}  // namespace tmb::teslamate
