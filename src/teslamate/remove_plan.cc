// SPDX-License-Identifier: MIT
#include "teslamate/remove_plan.hh"

#include <algorithm>
#include <cmath>

#include "base/error.hh"
#include "crypto/sha256.hh"

namespace tmb::teslamate {

using base::Error;
using base::ExitCode;
using catalog::Relation;
using postgres::Connection;

namespace {

const Relation cars{"public", "cars"};
const Relation car_settings{"public", "car_settings"};
const Relation drives{"public", "drives"};
const Relation positions{"public", "positions"};
const Relation charging_processes{"public", "charging_processes"};

// The rows as text, locked: nobody can change or refer to them from now on.
std::string lock_records(Connection& connection, const Relation& table, const Ids& ids) {
  const postgres::Result rows =
      connection.query("SELECT t::text FROM ONLY " + qualified(connection, table) +
                           " t WHERE t.id::int8 = ANY ($1::int8[]) ORDER BY t.id FOR UPDATE",
                       {array_literal(ids)});
  std::string out;
  for (int row = 0; row < rows.rows(); ++row) out += rows.string(row, 0) + "\n";
  return out;
}

template <class Records>
void require(const Records& records, const RemoveOptions& options) {
  Ids found;
  for (const auto& record : records) found.push_back(record.id);
  require_all(found, options.ids, name_of(options.kind));
}

void read_records(Connection& connection, const RemoveOptions& options, RemovePlan& plan) {
  if (options.kind == Kind::drive) {
    plan.drives = read_drives(connection, options.ids);
    require(plan.drives, options);
  } else if (options.kind == Kind::charge) {
    plan.charges = read_charges(connection, options.ids);
    require(plan.charges, options);
  } else {
    plan.cars = read_car_rows(connection, options.ids);
    require(plan.cars, options);
    for (const CarRow& car : plan.cars) {
      for (const Drive& d : read_drives(connection, read_open_drives(connection, car.id)))
        plan.open.push_back(describe(d));
      for (const Charge& c : read_charges(connection, read_open_charges(connection, car.id)))
        plan.open.push_back(describe(c));
    }
  }
  for (const Drive& d : plan.drives) {
    if (d.is_open()) plan.open.push_back(describe(d));
  }
  for (const Charge& c : plan.charges) {
    if (c.is_open()) plan.open.push_back(describe(c));
  }
}

// A car's settings are found by its settings_id and nothing else, and only those that no other car has: in
// cars.settings_id ON DELETE CASCADE would take that one along.
void add_car(Connection& connection, const RemovePlan& plan, const Ids& ids, Closure& closure) {
  const std::string list = array_literal(ids);
  closure.add(cars, "t.id::int8 = ANY ($1::int8[])", {list});
  closure.add(car_settings,
              "t.id IN (SELECT c.settings_id FROM public.cars c WHERE c.id::int8 = ANY ($1::int8[])) AND NOT "
              "EXISTS (SELECT FROM public.cars o WHERE o.settings_id = t.id AND NOT o.id::int8 = ANY "
              "($1::int8[]))",
              {list});
  if (closure.rows_of(cars) != plan.cars.size()) {
    throw Error(ExitCode::refused, "deleting " + named("car", ids) + " would take another car along");
  }
  const std::string going = closure.set_of(cars);
  const auto other = connection.query("SELECT count(*) FROM public.cars c JOIN " + going +
                                          " s ON c.ctid = s.place WHERE NOT c.id::int8 = ANY ($1::int8[])",
                                      {list});
  if (other.integer(0, 0) != 0) throw Error(ExitCode::internal, "the plan holds another car");
}

std::string digest_of(const std::string& records, const RemovePlan& plan, const Closure& closure) {
  std::string text = records;
  for (const std::string& line : describe_records(plan)) text += line + "\n";
  for (const std::string& line : describe_rows(plan, closure)) text += line + "\n";
  return crypto::hex(crypto::sha256(text));
}

std::string kilometres(const std::vector<Drive>& all) {
  double sum = 0;
  for (const Drive& d : all) {
    const double km = d.km.value_or(d.measured_km.value_or(0));
    if (std::isfinite(km)) sum += km;
  }
  return std::to_string(std::llround(sum)) + " km";
}

}  // namespace

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::drive: return "drive";
    case Kind::charge: return "charge";
    case Kind::car: return "car";
  }
  return "";
}

Relation table_of(Kind kind) {
  return kind == Kind::drive ? drives : kind == Kind::charge ? charging_processes : cars;
}

RemovePlan plan_removal(Connection& connection, const RemoveOptions& options, Track track, Closure& closure) {
  RemovePlan plan;
  if (options.orphans) {
    const std::string collected = collect_orphans(connection);
    plan.orphans = read_orphans(connection, collected);
    if (!plan.orphans.empty()) {
      plan.kept_referenced =
          closure.add_unreferenced(positions, "t.ctid IN (SELECT o.place FROM " + collected + " o)", {});
      closure.finish();
    }
    plan.fingerprint = digest_of("", plan, closure);
    return plan;
  }
  const std::string records = lock_records(connection, table_of(options.kind), options.ids);
  read_records(connection, options, plan);
  const std::string list = array_literal(options.ids);
  if (options.kind == Kind::car) {
    add_car(connection, plan, options.ids, closure);
  } else {
    closure.add(table_of(options.kind), "t.id = ANY ($1::int8[]::int4[])", {list});
  }
  if (options.kind == Kind::drive && track == Track::remove) {
    plan.kept_referenced =
        closure.add_unreferenced(positions, "t.drive_id = ANY ($1::int8[]::int4[])", {list});
  }
  closure.finish();
  plan.fingerprint = digest_of(records, plan, closure);
  return plan;
}

std::vector<std::string> describe_records(const RemovePlan& plan) {
  std::vector<std::string> out;
  for (const Drive& d : plan.drives) out.push_back(describe(d));
  for (const Charge& c : plan.charges) out.push_back(describe(c));
  for (const CarRow& c : plan.cars) out.push_back(describe(c));
  for (const Orphans& o : plan.orphans) out.push_back(describe(o));
  return out;
}

std::vector<std::string> describe_sum(const RemovePlan& plan) {
  if (plan.drives.size() < 2) return {};
  return {"together " + kilometres(plan.drives)};
}

std::vector<std::string> describe_rows(const RemovePlan& plan, const Closure& closure) {
  std::vector<std::string> out;
  for (const RowSet& set : closure.deleted()) {
    out.push_back("  " + report::counted(set.rows, "row", "rows") + " of " +
                  base::printable(set.table.text()) + " will be deleted");
  }
  for (const EmptiedSet& set : closure.emptied()) {
    std::string columns;
    for (const std::string& column : set.key.columns) columns += (columns.empty() ? "" : ", ") + column;
    out.push_back("  " + report::counted(set.rows.rows, "row", "rows") + " of " +
                  base::printable(set.rows.table.text()) + (set.rows.rows == 1 ? " stays" : " stay") +
                  " and " + (set.rows.rows == 1 ? "loses" : "lose") + " " + base::printable(columns));
  }
  if (plan.kept_referenced > 0) {
    out.push_back("  " + report::counted(plan.kept_referenced, "position", "positions") + " of the track " +
                  (plan.kept_referenced == 1 ? "stays" : "stay") + ": other drives or charges refer to it");
  }
  return out;
}

report::Json to_json(const RemovePlan& plan, const Closure& closure) {
  report::Json records = report::Json::array();
  for (const Drive& d : plan.drives) records.push_back(to_json(d));
  for (const Charge& c : plan.charges) records.push_back(to_json(c));
  for (const CarRow& c : plan.cars) records.push_back(to_json(c));
  report::Json deleted = report::Json::array();
  for (const RowSet& set : closure.deleted()) {
    deleted.push_back({{"schema", set.table.schema}, {"table", set.table.name}, {"rows", set.rows}});
  }
  report::Json emptied = report::Json::array();
  for (const EmptiedSet& set : closure.emptied()) {
    emptied.push_back({{"schema", set.rows.table.schema},
                       {"table", set.rows.table.name},
                       {"columns", set.key.columns},
                       {"rows", set.rows.rows}});
  }
  report::Json out{{"records", records}, {"deleted", deleted}, {"references_emptied", emptied}};
  for (const Orphans& o : plan.orphans) out["orphaned_positions"].push_back(to_json(o));
  return out;
}

std::string subject_of(const RemoveOptions& options) {
  return options.orphans ? "orphaned positions" : named(name_of(options.kind), options.ids);
}

std::string title_of(const RemovePlan& plan, const RemoveOptions& options) {
  if (options.orphans && plan.orphans.size() == 1) return describe(plan.orphans.front());
  if (options.ids.size() == 1) {
    if (!plan.drives.empty()) return describe(plan.drives.front());
    if (!plan.charges.empty()) return describe(plan.charges.front());
    if (!plan.cars.empty()) return describe(plan.cars.front());
  }
  return subject_of(options);
}

}  // namespace tmb::teslamate
