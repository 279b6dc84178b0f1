// SPDX-License-Identifier: MIT
#include "teslamate/cars.hh"

namespace tmb::teslamate {

std::vector<Car> read_cars(postgres::Connection& connection) {
  const postgres::Result there = connection.query(R"(
  SELECT count(*) FROM (VALUES ('cars', 'id'), ('cars', 'name'), ('cars', 'vin'), ('drives', 'car_id'),
                               ('drives', 'start_date'), ('drives', 'end_date'), ('charging_processes', 'car_id'),
                               ('charging_processes', 'start_date'), ('charging_processes', 'end_date')) w(t, c)
  JOIN pg_attribute a ON a.attrelid = to_regclass('public.' || w.t) AND a.attname = w.c AND NOT a.attisdropped)");
  if (there.integer(0, 0) != 9) return {};
  const postgres::Result rows = connection.query(R"(
  WITH d AS (SELECT car_id, count(*) AS n, min(start_date) AS a, max(coalesce(end_date, start_date)) AS z
             FROM public.drives GROUP BY car_id),
       p AS (SELECT car_id, count(*) AS n, min(start_date) AS a, max(coalesce(end_date, start_date)) AS z
             FROM public.charging_processes GROUP BY car_id)
  SELECT c.id, coalesce(nullif(c.name, ''), c.vin, ''), coalesce(d.n, 0), coalesce(p.n, 0),
         least(d.a, p.a)::text, greatest(d.z, p.z)::text
  FROM public.cars c LEFT JOIN d ON d.car_id = c.id LEFT JOIN p ON p.car_id = c.id ORDER BY c.id)");
  std::vector<Car> cars;
  for (int row = 0; row < rows.rows(); ++row) {
    cars.push_back(
        {rows.integer(row, 0), rows.string(row, 1), static_cast<std::uint64_t>(rows.integer(row, 2)),
         static_cast<std::uint64_t>(rows.integer(row, 3)), rows.string(row, 4), rows.string(row, 5)});
  }
  return cars;
}

}  // namespace tmb::teslamate
