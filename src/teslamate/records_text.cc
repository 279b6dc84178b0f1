// SPDX-License-Identifier: MIT
#include <array>
#include <cmath>
#include <cstdio>

#include "base/clock.hh"
#include "base/error.hh"
#include "report/reporter.hh"
#include "report/table.hh"
#include "teslamate/records.hh"

namespace tmb::teslamate {

using base::printable;
using report::Json;

namespace {

std::string with_unit(std::optional<double> value, const char* unit) {
  if (!value || !std::isfinite(*value)) return "";
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.1f %s", *value, unit);
  return text.data();
}

std::string whose(const std::string& name, std::int64_t car_id) {
  return name.empty() ? "car " + std::to_string(car_id) : printable(name);
}

std::string span(const std::string& start, const std::optional<std::string>& end) {
  return local_moment(start) + (end ? " to " + local_moment(*end) : ", still open");
}

std::string age(std::optional<double> seconds) {
  return seconds ? report::duration(*seconds < 0 ? 0 : *seconds) : "";
}

Json or_null(const std::optional<std::string>& text) { return text ? Json(*text) : Json(); }
Json or_null(const std::optional<double>& number) { return number ? Json(*number) : Json(); }
Json or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

}  // namespace

std::string describe(const Drive& d) {
  std::string out = "drive " + std::to_string(d.id) + " of " + whose(d.car, d.car_id) + ": " +
                    printable(span(d.start, d.end));
  const std::string km = with_unit(d.km ? d.km : d.measured_km, "km");
  if (!km.empty()) out += ", " + km;
  if (!d.from.empty()) out += ", from " + printable(d.from);
  if (!d.to.empty()) out += " to " + printable(d.to);
  return out + ", " + report::counted(d.positions, "position", "positions");
}

std::string describe(const Charge& c) {
  std::string out = "charge " + std::to_string(c.id) + " of " + whose(c.car, c.car_id) + ": " +
                    printable(span(c.start, c.end));
  const std::string kwh = with_unit(c.kwh, "kWh");
  if (!kwh.empty()) out += ", " + kwh;
  if (c.cost) out += ", cost " + printable(*c.cost);
  if (!c.place.empty()) out += ", at " + printable(c.place);
  return out + ", " + report::counted(c.charges, "reading", "readings");
}

std::string describe(const CarRow& c) {
  std::string out = "car " + std::to_string(c.id);
  if (!c.name.empty()) out += " " + printable(c.name);
  if (!c.model.empty()) out += ", Model " + printable(c.model);
  if (!c.vin.empty()) out += ", VIN " + printable(c.vin);
  out += ": " + report::counted(c.drives, "drive", "drives") + " of " + with_unit(c.km, "km") + ", " +
         report::counted(c.charges, "charge", "charges");
  if (!c.first.empty()) out += ", " + printable(span(c.first, c.last));
  return out;
}

Json to_json(const Drive& d) {
  return {{"id", d.id},
          {"car_id", d.car_id},
          {"car", d.car},
          {"start", d.start},
          {"end", or_null(d.end)},
          {"km", or_null(d.km)},
          {"measured_km", or_null(d.measured_km)},
          {"from", d.from},
          {"to", d.to},
          {"positions", d.positions},
          {"last_position", or_null(d.last_position)},
          {"age_seconds", or_null(d.age_seconds)},
          {"teslamate_would_delete_it", d.is_open() && d.is_too_short()}};
}

Json to_json(const Charge& c) {
  return {{"id", c.id},
          {"car_id", c.car_id},
          {"car", c.car},
          {"start", c.start},
          {"end", or_null(c.end)},
          {"kwh", or_null(c.kwh)},
          {"cost", or_null(c.cost)},
          {"place", c.place},
          {"readings", c.charges},
          {"last_reading", or_null(c.last_charge)},
          {"age_seconds", or_null(c.age_seconds)}};
}

Json to_json(const CarRow& c) {
  return {{"id", c.id},
          {"name", c.name},
          {"vin", c.vin},
          {"model", c.model},
          {"settings_id", c.settings_id},
          {"drives", c.drives},
          {"km", c.km},
          {"charges", c.charges},
          {"first", or_null(c.first)},
          {"last", or_null(c.last)}};
}

std::vector<std::string> open_drives_table(const std::vector<Drive>& drives) {
  report::Table table({{"DRIVE", report::Align::right},
                       {"CAR", report::Align::left},
                       {"START", report::Align::left},
                       {"POSITIONS", report::Align::right},
                       {"KM", report::Align::right},
                       {"LAST POSITION", report::Align::left},
                       {"AGE", report::Align::right},
                       {"", report::Align::left}});
  for (const Drive& d : drives) {
    std::string km = with_unit(d.measured_km, "km");
    if (!km.empty()) km.resize(km.size() - 3);
    table.add_row({std::to_string(d.id), whose(d.car, d.car_id), local_moment(d.start),
                   report::grouped(d.positions), km, local_moment(d.last_position), age(d.age_seconds),
                   d.is_too_short() ? "closing it deletes it" : ""});
  }
  return table.lines();
}

std::vector<std::string> open_charges_table(const std::vector<Charge>& charges) {
  report::Table table({{"CHARGE", report::Align::right},
                       {"CAR", report::Align::left},
                       {"START", report::Align::left},
                       {"READINGS", report::Align::right},
                       {"LAST READING", report::Align::left},
                       {"AGE", report::Align::right}});
  for (const Charge& c : charges) {
    table.add_row({std::to_string(c.id), whose(c.car, c.car_id), local_moment(c.start),
                   report::grouped(c.charges), local_moment(c.last_charge), age(c.age_seconds)});
  }
  return table.lines();
}

}  // namespace tmb::teslamate
