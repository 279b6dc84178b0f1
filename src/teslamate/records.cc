// SPDX-License-Identifier: MIT
#include "teslamate/records.hh"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "base/clock.hh"
#include "base/error.hh"

namespace tmb::teslamate {

using base::Error;
using base::ExitCode;
using postgres::Connection;
using postgres::Result;

namespace {

std::optional<std::string> text_or_none(const Result& r, int row, int column) {
  return r.is_null(row, column) ? std::nullopt : std::optional(r.string(row, column));
}

std::optional<double> number_or_none(const Result& r, int row, int column) {
  if (r.is_null(row, column)) return std::nullopt;
  const std::string_view text = r.text(row, column);
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// Seconds from a column of timestamps to now, NULL for what is no finite moment.
std::string age_of(const std::string& column) {
  return "CASE WHEN isfinite(" + column + ") THEN extract(epoch FROM (now() AT TIME ZONE 'UTC') - " + column +
         ") END";
}

Ids ids_of(const Result& r) {
  Ids out;
  for (int row = 0; row < r.rows(); ++row) out.push_back(r.integer(row, 0));
  return out;
}

}  // namespace

std::vector<Drive> read_drives(Connection& connection, const Ids& ids) {
  const Result rows = connection.query(std::string(R"(
  SELECT d.id, d.car_id, coalesce(nullif(c.name, ''), c.vin, ''), d.start_date, d.end_date, d.distance,
         coalesce(sg.name, sa.name, sa.display_name, ''), coalesce(eg.name, ea.name, ea.display_name, ''),
         )") + age_of("d.start_date") + R"(
  FROM public.drives d LEFT JOIN public.cars c ON c.id = d.car_id
  LEFT JOIN public.addresses sa ON sa.id = d.start_address_id LEFT JOIN public.addresses ea ON ea.id = d.end_address_id
  LEFT JOIN public.geofences sg ON sg.id = d.start_geofence_id LEFT JOIN public.geofences eg ON eg.id = d.end_geofence_id
  WHERE d.id = ANY ($1::int8[]::int4[]) ORDER BY d.id)",
                                       {array_literal(ids)});
  const Result tracks =
      connection.query("SELECT p.drive_id, count(*), max(p.date), " + age_of("max(p.date)") +
                           ", (array_agg(p.odometer ORDER BY p.date DESC, p.id DESC))[1] - "
                           "(array_agg(p.odometer ORDER BY p.date, p.id))[1] "
                           "FROM public.positions p WHERE p.drive_id = ANY ($1::int8[]::int4[]) GROUP BY 1",
                       {array_literal(ids)});
  std::vector<Drive> out;
  for (int row = 0; row < rows.rows(); ++row) {
    Drive drive{rows.integer(row, 0),
                rows.integer(row, 1),
                rows.string(row, 2),
                rows.string(row, 3),
                text_or_none(rows, row, 4),
                number_or_none(rows, row, 5),
                rows.string(row, 6),
                rows.string(row, 7),
                0,
                std::nullopt,
                "",
                number_or_none(rows, row, 8)};  // of its start, where it has no position yet
    for (int track = 0; track < tracks.rows(); ++track) {
      if (tracks.integer(track, 0) != drive.id) continue;
      drive.positions = static_cast<std::uint64_t>(tracks.integer(track, 1));
      drive.last_position = tracks.string(track, 2);
      drive.age_seconds = number_or_none(tracks, track, 3);
      drive.measured_km = number_or_none(tracks, track, 4);
    }
    out.push_back(std::move(drive));
  }
  return out;
}

std::vector<Charge> read_charges(Connection& connection, const Ids& ids) {
  const Result rows = connection.query(
      R"(
  SELECT p.id, p.car_id, coalesce(nullif(c.name, ''), c.vin, ''), p.start_date, p.end_date, p.charge_energy_added,
         p.cost, coalesce(g.name, a.name, a.display_name, ''), t.n, t.last, )" +
          age_of("coalesce(t.last, p.start_date)") + R"(
  FROM public.charging_processes p LEFT JOIN public.cars c ON c.id = p.car_id
  LEFT JOIN public.addresses a ON a.id = p.address_id LEFT JOIN public.geofences g ON g.id = p.geofence_id
  CROSS JOIN LATERAL (SELECT count(*) AS n, max(h.date) AS last FROM public.charges h
                      WHERE h.charging_process_id = p.id) t
  WHERE p.id = ANY ($1::int8[]::int4[]) ORDER BY p.id)",
      {array_literal(ids)});
  std::vector<Charge> out;
  for (int row = 0; row < rows.rows(); ++row) {
    out.push_back({rows.integer(row, 0), rows.integer(row, 1), rows.string(row, 2), rows.string(row, 3),
                   text_or_none(rows, row, 4), number_or_none(rows, row, 5), text_or_none(rows, row, 6),
                   rows.string(row, 7), static_cast<std::uint64_t>(rows.integer(row, 8)), rows.string(row, 9),
                   number_or_none(rows, row, 10)});
  }
  return out;
}

std::vector<CarRow> read_car_rows(Connection& connection, const Ids& ids) {
  // int8: cars.id is a smallint, and a larger id is one that no car has.
  const Result rows = connection.query(
      R"(
  SELECT c.id, coalesce(c.name, ''), coalesce(c.vin, ''), coalesce(c.model, ''), c.settings_id,
         d.n, coalesce(d.km, 0), p.n, least(d.first, p.first), greatest(d.last, p.last)
  FROM public.cars c
  CROSS JOIN LATERAL (SELECT count(*) AS n, sum(distance) FILTER (WHERE distance < 'infinity') AS km,
                             min(start_date) AS first, max(coalesce(end_date, start_date)) AS last FROM public.drives WHERE car_id = c.id) d
  CROSS JOIN LATERAL (SELECT count(*) AS n, min(start_date) AS first, max(coalesce(end_date, start_date)) AS last
                      FROM public.charging_processes WHERE car_id = c.id) p
  WHERE c.id::int8 = ANY ($1::int8[]) ORDER BY c.id)",
      {array_literal(ids)});
  std::vector<CarRow> out;
  for (int row = 0; row < rows.rows(); ++row) {
    out.push_back({rows.integer(row, 0), rows.string(row, 1), rows.string(row, 2), rows.string(row, 3),
                   rows.integer(row, 4), static_cast<std::uint64_t>(rows.integer(row, 5)),
                   number_or_none(rows, row, 6).value_or(0), static_cast<std::uint64_t>(rows.integer(row, 7)),
                   rows.string(row, 8), rows.string(row, 9)});
  }
  return out;
}

Ids read_open_drives(Connection& connection, std::int64_t car_id) {
  return ids_of(
      connection.query("SELECT id FROM public.drives WHERE end_date IS NULL AND ($1::int8 = 0 OR "
                       "car_id = $1::int8) ORDER BY id",
                       {std::to_string(car_id)}));
}

Ids read_open_charges(Connection& connection, std::int64_t car_id) {
  return ids_of(
      connection.query("SELECT id FROM public.charging_processes WHERE end_date IS NULL AND ($1::int8 = 0 OR "
                       "car_id = $1::int8) ORDER BY id",
                       {std::to_string(car_id)}));
}

void require_all(const std::vector<std::int64_t>& found, const Ids& ids, std::string_view what) {
  Ids missing;
  for (const std::int64_t id : ids) {
    if (std::ranges::find(found, id) == found.end()) missing.push_back(id);
  }
  if (missing.empty()) return;
  throw Error(
      ExitCode::not_found,
      "there is no " + (missing.size() == 1 ? std::string(what) + " " + listed(missing)
                                            : std::string(what) + " with the ids " + listed(missing)));
}

std::string local_moment(const std::string& timestamp) {
  // 2026-05-12 08:13:22.123
  if (timestamp.size() < 19 || timestamp[10] != ' ') return timestamp;
  try {
    return base::local_time(
        base::parse_iso_utc(timestamp.substr(0, 10) + "T" + timestamp.substr(11, 8) + "Z"));
  } catch (const Error&) {
    return timestamp;
  }
}

}  // namespace tmb::teslamate
