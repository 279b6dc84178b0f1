// SPDX-License-Identifier: MIT
#include "teslamate/dashboard_queries.hh"

#include <array>
#include <chrono>

namespace tmb::teslamate {

namespace {

struct Question {
  const char* name;
  const char* sql;
};

// Each by an index or over a small table: a rehearsal should not take longer than what it rehearses.
constexpr std::array<Question, 6> questions{{
    {"drives by day",
     "SELECT date_trunc('day', start_date) AS day, count(*), sum(distance), avg(duration_min) FROM "
     "public.drives "
     "WHERE start_date > (SELECT max(start_date) - interval '30 days' FROM public.drives) GROUP BY day ORDER "
     "BY day"},
    {"track of the newest drive",
     "SELECT date, latitude, longitude, speed, power FROM public.positions "
     "WHERE drive_id = (SELECT max(id) FROM public.drives) ORDER BY date"},
    {"charges by place",
     "SELECT coalesce(g.name, a.display_name) AS place, count(*), sum(c.charge_energy_added), sum(c.cost) "
     "FROM public.charging_processes AS c LEFT JOIN public.addresses AS a ON a.id = c.address_id "
     "LEFT JOIN public.geofences AS g ON g.id = c.geofence_id GROUP BY place ORDER BY 2 DESC"},
    {"curve of the newest charge",
     "SELECT battery_level, avg(charger_power) FROM public.charges WHERE charging_process_id = "
     "(SELECT max(id) FROM public.charging_processes) GROUP BY battery_level ORDER BY battery_level"},
    {"efficiency by car",
     "SELECT c.id, c.name, sum(d.distance), sum(d.start_rated_range_km - d.end_rated_range_km) * "
     "c.efficiency "
     "FROM public.cars AS c LEFT JOIN public.drives AS d ON d.car_id = c.id GROUP BY c.id ORDER BY c.id"},
    {"addresses near the first one",
     "SELECT count(*) FROM public.addresses AS a, (SELECT latitude, longitude FROM public.addresses ORDER BY "
     "id "
     "LIMIT 1) AS f WHERE public.earth_distance(public.ll_to_earth(a.latitude, a.longitude), "
     "public.ll_to_earth(f.latitude, f.longitude)) < 1000"},
}};

}  // namespace

std::vector<DashboardAnswer> ask_like_dashboards(postgres::Connection& connection) {
  std::vector<DashboardAnswer> out;
  const postgres::Result there = connection.query(
      "SELECT pg_catalog.to_regclass('public.drives') IS NOT NULL AND "
      "pg_catalog.to_regclass('public.positions') IS NOT NULL AND "
      "pg_catalog.to_regclass('public.schema_migrations') IS NOT NULL");
  if (!there.boolean(0, 0)) return out;
  // As TeslaMate and Grafana have it: earthdistance's functions look for each other by it.
  connection.execute("SET search_path = public");
  for (const Question& question : questions) {
    const auto began = std::chrono::steady_clock::now();
    try {
      const postgres::Result result = connection.query(question.sql);
      out.push_back({question.name, result.rows(),
                     std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count()});
    } catch (base::Error& error) {
      error.with_context(std::string("asking for ") + question.name);
      throw;
    }
  }
  return out;
}

}  // namespace tmb::teslamate
