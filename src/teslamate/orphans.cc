// SPDX-License-Identifier: MIT
#include "teslamate/orphans.hh"

#include "base/error.hh"
#include "report/reporter.hh"
#include "teslamate/records.hh"

namespace tmb::teslamate {

using postgres::Connection;
using postgres::Result;

std::string orphaned_positions() {
  return R"(
  SELECT g.place, g.car_id, g.date FROM (
    SELECT p.ctid AS place, p.car_id, p.date, lag(p.date) OVER w AS earlier, lead(p.date) OVER w AS later
    FROM public.positions p
    WHERE p.drive_id IS NULL AND p.speed > 0
      AND NOT EXISTS (SELECT FROM public.drives d WHERE d.start_position_id = p.id)
      AND NOT EXISTS (SELECT FROM public.drives d WHERE d.end_position_id = p.id)
      AND NOT EXISTS (SELECT FROM public.charging_processes c WHERE c.position_id = p.id)
    WINDOW w AS (PARTITION BY p.car_id ORDER BY p.date, p.id)) g
  WHERE g.earlier >= g.date - interval '5 minutes' OR g.later <= g.date + interval '5 minutes')";
}

std::string collect_orphans(Connection& connection) {
  connection.execute("CREATE TEMPORARY TABLE tmb_orphans ON COMMIT DROP AS " + orphaned_positions());
  connection.execute("ANALYZE pg_temp.tmb_orphans");
  return "pg_temp.tmb_orphans";
}

std::vector<Orphans> read_orphans(Connection& connection, const std::string& collected) {
  const Result rows = connection.query(
      "SELECT o.car_id, coalesce(nullif(c.name, ''), c.vin, ''), count(*), min(o.date), max(o.date) FROM " +
      collected + " o LEFT JOIN public.cars c ON c.id = o.car_id GROUP BY 1, 2 ORDER BY 1");
  std::vector<Orphans> out;
  for (int row = 0; row < rows.rows(); ++row) {
    out.push_back({rows.integer(row, 0), rows.string(row, 1),
                   static_cast<std::uint64_t>(rows.integer(row, 2)), rows.string(row, 3),
                   rows.string(row, 4)});
  }
  return out;
}

std::string describe(const Orphans& o) {
  return report::counted(o.positions, "position", "positions") + " of " +
         (o.car.empty() ? "car " + std::to_string(o.car_id) : base::printable(o.car)) +
         " with a speed and without a drive, from " + base::printable(local_moment(o.first)) + " to " +
         base::printable(local_moment(o.last));
}

report::Json to_json(const Orphans& o) {
  return {
      {"car_id", o.car_id}, {"car", o.car}, {"positions", o.positions}, {"first", o.first}, {"last", o.last}};
}

}  // namespace tmb::teslamate
