// SPDX-License-Identifier: MIT
#include "restore/describe.hh"

namespace tmb::restore {

using report::Json;

namespace {

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

template <class T>
Json value_or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json kept_to_json(const std::vector<KeptDatabase>& kept) {
  Json out = Json::array();
  for (const KeptDatabase& k : kept) {
    out.push_back({{"name", k.name},
                   {"bytes", k.bytes},
                   {"since", base::iso_utc(k.since)},
                   {"replaced_by", text_or_null(k.snapshot)}});
  }
  return out;
}

Json differences_to_json(const Outcome& outcome) {
  Json tables = Json::array();
  for (const TableDifference& d : outcome.tables_differing) {
    tables.push_back({{"schema", d.schema},
                      {"name", d.name},
                      {"snapshot_rows", value_or_null(d.snapshot_rows)},
                      {"live_rows", value_or_null(d.live_rows)}});
  }
  Json cars = Json::array();
  for (const CarDifference& d : outcome.cars) {
    cars.push_back(
        {{"id", d.id},
         {"name", d.name},
         {"snapshot",
          {{"drives", d.snapshot_drives},
           {"charges", d.snapshot_charges},
           {"last", text_or_null(d.snapshot_last)}}},
         {"live",
          {{"drives", d.live_drives}, {"charges", d.live_charges}, {"last", text_or_null(d.live_last)}}}});
  }
  return {{"tables", tables}, {"cars", cars}};
}

}  // namespace

Json to_json(const Outcome& outcome) {
  Json out = {
      {"operation", outcome.operation},
      {"snapshot", text_or_null(outcome.snapshot)},
      {"file", text_or_null(outcome.file)},
      {"live_database", text_or_null(outcome.live_database)},
      {"loaded_database", text_or_null(outcome.loaded_database)},
      {"kept_database", text_or_null(outcome.kept_database)},
      {"kept_until", outcome.kept_database.empty() ? Json() : Json(base::iso_utc(outcome.kept_until))},
      {"rows", outcome.rows},
      {"tables", outcome.tables},
      {"seconds", outcome.seconds},
      {"down_seconds", value_or_null(outcome.down_seconds)},
      {"kept", kept_to_json(outcome.kept)}};
  if (outcome.operation == "dry-run") out["differences"] = differences_to_json(outcome);
  return out;
}

}  // namespace tmb::restore
