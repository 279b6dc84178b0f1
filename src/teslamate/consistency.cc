// SPDX-License-Identifier: MIT
#include "teslamate/consistency.hh"

#include <algorithm>
#include <charconv>

#include "base/error.hh"
#include "teslamate/orphans.hh"
#include "teslamate/records.hh"
#include "teslamate/vault.hh"

namespace tmb::teslamate {

using postgres::Connection;
using postgres::Result;
using report::counted;

namespace {

std::uint64_t unsigned_integer(const Result& r, int row, int column) {
  return static_cast<std::uint64_t>(r.integer(row, column));
}

std::optional<double> number(const Result& r, int row, int column) {
  if (r.is_null(row, column)) return std::nullopt;
  double value = 0;
  const std::string_view text = r.text(row, column);
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// " (1, 2, 3 …)"
std::string examples(const std::string& ids, std::uint64_t count, std::uint64_t shown) {
  return ids.empty() ? "" : " (" + ids + (count > shown ? ", …" : "") + ")";
}

std::string spaced(const std::string& ids) {
  std::string out;
  for (const char c : ids) {
    if (c != ',') out += c;
  }
  return out;
}

constexpr std::uint64_t most_shown = 10;

// Ids from a query of one column "id", counted, the first of them listed: count, list.
std::string counted_ids(const std::string& query) {
  return "SELECT count(*), coalesce(string_agg(id::text, ', ' ORDER BY id) FILTER (WHERE n <= " +
         std::to_string(most_shown) + "), '') FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM (" +
         query + ") q) ids";
}

// One finding about records by their ids, when there are any.
void add_ids(Connection& connection, const std::string& query, const char* kind, const char* singular,
             const char* plural, const std::string& what, const char* why, const std::string& mend,
             CheckReport& report) {
  const Result r = connection.query(counted_ids(query));
  const std::uint64_t count = unsigned_integer(r, 0, 0);
  if (count == 0) return;
  const std::string ids = r.string(0, 1);
  report.findings.push_back({kind,
                             counted(count, singular, plural) + " " + what + examples(ids, count, most_shown),
                             count, why, mend});
}

// Of TeslaMate since September 2025, and before.
std::string tokens_table(Connection& connection) {
  const Result r =
      connection.query("SELECT coalesce(to_regclass('private.tokens'), to_regclass('public.tokens'))::text");
  return r.is_null(0, 0) ? "" : r.string(0, 0);
}

// One word of a shell's.
std::string shell_word(const std::string& text) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == '/';
  };
  if (!text.empty() && text.front() != '-' && std::ranges::all_of(text, is_plain)) return text;
  if (text.find_first_of("$`\\\"!") == std::string::npos) return "\"" + base::printable(text) + "\"";
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return base::printable(out) + "'";
}

}  // namespace

std::string sql_command(const CheckOptions& options, const std::string& sql) {
  return "psql -d " + shell_word(options.database) + " -c " + shell_word(sql);
}

void find_open_records(Connection& connection, const CheckOptions& options, CheckReport& report) {
  Ids drives;
  for (const Drive& d : read_drives(connection, read_open_drives(connection))) {
    if (!d.age_seconds || *d.age_seconds > options.stale_open_seconds) drives.push_back(d.id);
  }
  if (!drives.empty()) {
    report.findings.push_back(
        {"open-drive",
         counted(drives.size(), "drive is", "drives are") +
             " open though nothing was recorded for a while (" + listed(drives) + ")",
         drives.size(), "an open drive has no distance and no end, and is missing in every sum",
         "teslamate-close-drive" + (drives.size() == 1 ? " " + listed(drives) : " --open")});
  }
  Ids charges;
  for (const Charge& c : read_charges(connection, read_open_charges(connection))) {
    if (!c.age_seconds || *c.age_seconds > options.stale_open_seconds) charges.push_back(c.id);
  }
  if (!charges.empty()) {
    report.findings.push_back(
        {"open-charge",
         counted(charges.size(), "charge is", "charges are") +
             " open though nothing was recorded for a while (" + listed(charges) + ")",
         charges.size(), "an open charge has no energy and no cost, and is missing in every sum",
         "teslamate-close-charge" + (charges.size() == 1 ? " " + listed(charges) : " --open")});
  }
}

namespace {

void find_orphans(Connection& connection, CheckReport& report) {
  const Result r = connection.query("SELECT count(*) FROM (" + orphaned_positions() + ") o");
  const auto count = unsigned_integer(r, 0, 0);
  if (count == 0) return;
  report.findings.push_back(
      {"orphaned-positions", counted(count, "position", "positions") + " with a speed belong to no drive",
       count, "they are what a deleted drive leaves behind: the map still shows its track",
       "teslamate-delete-drive --orphaned-positions"});
}

}  // namespace

void find_position_faults(Connection& connection, const CheckOptions& options, CheckReport& report) {
  const Result r = connection.query(R"(
  WITH t AS MATERIALIZED (
    SELECT p.drive_id, p.car_id, count(*) AS n, count(*) FILTER (WHERE p.speed > 0) AS moving,
           max(p.date) FILTER (WHERE isfinite(p.date)) AS newest
    FROM public.positions p GROUP BY 1, 2
  ), empty AS (
    SELECT d.id, row_number() OVER (ORDER BY d.id) AS at FROM public.drives d
    WHERE d.end_date IS NOT NULL AND NOT EXISTS (SELECT FROM t WHERE t.drive_id = d.id)
  )
  SELECT coalesce((SELECT sum(n) FROM t), 0)::int8, (SELECT max(newest) FROM t)::text,
         extract(epoch FROM (now() AT TIME ZONE 'UTC') - (SELECT max(newest) FROM t)),
         coalesce((SELECT sum(moving) FROM t WHERE drive_id IS NULL), 0)::int8,
         coalesce((SELECT sum(n) FROM t WHERE drive_id IS NOT NULL
                   AND NOT EXISTS (SELECT FROM public.drives d WHERE d.id = t.drive_id)), 0)::int8,
         coalesce((SELECT sum(n) FROM t JOIN public.drives d ON d.id = t.drive_id WHERE d.car_id <> t.car_id), 0)::int8,
         (SELECT count(*) FROM empty),
         coalesce((SELECT string_agg(id::text, ', ' ORDER BY id) FROM empty WHERE at <= 10), '')
  )");
  report.positions = unsigned_integer(r, 0, 0);
  report.newest_position = r.string(0, 1);
  report.newest_age_seconds = number(r, 0, 2);
  if (unsigned_integer(r, 0, 3) > 0) find_orphans(connection, report);
  if (const auto count = unsigned_integer(r, 0, 4); count > 0) {
    report.findings.push_back(
        {"positions-without-drive",
         counted(count, "position refers", "positions refer") + " to a drive that is not there", count,
         "a constraint is missing or was broken; a restore of this data fails",
         sql_command(options,
                     "UPDATE positions p SET drive_id = NULL WHERE drive_id IS NOT NULL AND NOT "
                     "EXISTS (SELECT FROM drives d WHERE d.id = p.drive_id)")});
  }
  if (const auto count = unsigned_integer(r, 0, 5); count > 0) {
    report.findings.push_back(
        {"positions-of-another-car",
         counted(count, "position is", "positions are") + " part of another car's drive", count,
         "two cars are mixed up in one track",
         sql_command(options,
                     "SELECT p.id, p.car_id, d.id, d.car_id FROM positions p JOIN drives d ON d.id "
                     "= p.drive_id WHERE p.car_id <> d.car_id")});
  }
  if (const auto count = unsigned_integer(r, 0, 6); count > 0) {
    const std::string ids = r.string(0, 7);
    report.findings.push_back(
        {"empty-drive",
         counted(count, "drive has", "drives have") + " no positions" + examples(ids, count, most_shown),
         count, "such a drive has no track: its page and the map stay empty",
         "teslamate-delete-drive " + spaced(ids)});
  }
  if (!report.newest_age_seconds || *report.newest_age_seconds > options.stale_position_seconds) {
    report.findings.push_back(
        {"no-new-positions",
         report.newest_age_seconds
             ? "the newest position is " + report::duration(*report.newest_age_seconds) + " old"
             : std::string("there is no position at all"),
         1, "TeslaMate may not be logging: not running, signed out, or the car is out of reach",
         "systemctl status teslamate"});
  }
}

void find_charge_faults(Connection& connection, CheckReport& report) {
  const Result r = connection.query(R"(
  SELECT count(*), count(DISTINCT p.id), coalesce(min(p.id), 0) FROM public.charges c
  JOIN public.charging_processes p ON p.id = c.charging_process_id
  WHERE c.date < p.start_date - interval '1 minute' OR c.date > p.end_date + interval '1 minute')");
  const auto count = unsigned_integer(r, 0, 0);
  if (count == 0) return;
  report.findings.push_back({"charge-outside-process",
                             counted(count, "reading lies", "readings lie") + " outside the time of " +
                                 counted(unsigned_integer(r, 0, 1), "charge", "charges") +
                                 ", the first is charge " + r.string(0, 2),
                             count,
                             "its energy, duration and cost were computed from other readings than it has",
                             "teslamate-close-charge --recompute " + r.string(0, 2)});
}

void find_overlaps(Connection& connection, CheckReport& report) {
  const auto overlapping = [](const std::string& table) {
    return "SELECT id FROM (SELECT id, start_date, end_date, max(end_date) OVER (PARTITION BY car_id ORDER "
           "BY "
           "start_date, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS earlier FROM public." +
           table + ") o WHERE earlier > start_date";
  };
  add_ids(
      connection, overlapping("drives"), "overlapping-drive", "drive begins", "drives begin",
      "before an earlier one of the same car has ended",
      "a car cannot drive twice at once: distances count double, often after two TeslaMates ran at a time",
      "look at each and delete the wrong one of the two: teslamate-delete-drive ID", report);
  add_ids(connection, overlapping("charging_processes"), "overlapping-charge", "charge begins",
          "charges begin", "before an earlier one of the same car has ended", "energy and cost count double",
          "look at each and delete the wrong one of the two: teslamate-delete-charge ID", report);
}

void find_token_faults(Connection& connection, const CheckOptions& options, CheckReport& report) {
  const std::string sign_in = "sign in again on TeslaMate's page, port 4000";
  const std::string table = tokens_table(connection);
  if (table.empty()) return;
  const Result r = connection.query(
      "SELECT count(*), extract(epoch FROM (now() AT TIME ZONE 'UTC') - max(updated_at)) "
      "FROM " +
      table);
  if (r.integer(0, 0) == 0) {
    report.findings.push_back({"no-tokens", "nobody is signed in", 1,
                               "TeslaMate records nothing until the owner signs in", sign_in});
    return;
  }
  const auto age = number(r, 0, 1);
  if (age && *age > options.stale_token_seconds) {
    report.findings.push_back(
        {"stale-tokens", "the tokens were last renewed " + report::duration(*age) + " ago", 1,
         "TeslaMate renews them every few hours; old ones expire and nothing is recorded",
         "systemctl restart teslamate; if that does not help, " + sign_in});
  }
  const VaultReport vault = check_vault(connection, options.encryption_key);
  report.vault = vault.sentence;
  if (vault.answer == KeyAnswer::wrong) {
    report.findings.push_back({"tokens-do-not-open", vault.sentence, vault.refused,
                               "TeslaMate cannot use them with the ENCRYPTION_KEY it is given",
                               "give TeslaMate its old ENCRYPTION_KEY, or " + sign_in});
  }
}

}  // namespace tmb::teslamate
