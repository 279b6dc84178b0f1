// SPDX-License-Identifier: MIT
#include "script.hh"

#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/error.hh"

namespace tmb::sample {

namespace {

constexpr std::size_t positions_block = 1U << 20U;
constexpr std::size_t others_block = 4U << 20U;

struct TableText {
  std::string_view name;
  std::string_view columns;
};

constexpr std::array<TableText, table_count> table_texts{{
    {"public.schema_migrations", "version, inserted_at"},
    {"public.settings",
     "id, inserted_at, updated_at, unit_of_length, unit_of_temperature, preferred_range, base_url, "
     "grafana_url, language, unit_of_pressure, theme_mode"},
    {"public.car_settings",
     "id, suspend_min, suspend_after_idle_min, req_not_unlocked, free_supercharging, use_streaming_api, "
     "enabled, lfp_battery"},
    {"public.cars",
     "id, eid, vid, model, efficiency, inserted_at, updated_at, vin, name, trim_badging, settings_id, "
     "exterior_color, spoiler_type, wheel_type, display_priority, marketing_name"},
    {"public.addresses",
     "id, display_name, latitude, longitude, name, house_number, road, neighbourhood, city, county, "
     "postcode, state, state_district, country, raw, inserted_at, updated_at, osm_id, osm_type"},
    {"public.geofences",
     "id, name, latitude, longitude, radius, inserted_at, updated_at, cost_per_unit, session_fee, "
     "billing_type"},
    {"public.drives",
     "id, start_date, end_date, outside_temp_avg, speed_max, power_max, power_min, start_ideal_range_km, "
     "end_ideal_range_km, start_km, end_km, distance, duration_min, car_id, inside_temp_avg, "
     "start_address_id, end_address_id, start_rated_range_km, end_rated_range_km, start_position_id, "
     "end_position_id, start_geofence_id, end_geofence_id, ascent, descent"},
    {"public.charging_processes",
     "id, start_date, end_date, charge_energy_added, start_ideal_range_km, end_ideal_range_km, "
     "start_battery_level, end_battery_level, duration_min, outside_temp_avg, car_id, position_id, "
     "address_id, start_rated_range_km, end_rated_range_km, geofence_id, charge_energy_used, cost"},
    {"public.charges",
     "id, date, battery_heater_on, battery_level, charge_energy_added, charger_actual_current, "
     "charger_phases, charger_pilot_current, charger_power, charger_voltage, fast_charger_present, "
     "conn_charge_cable, fast_charger_brand, fast_charger_type, ideal_battery_range_km, "
     "not_enough_power_to_heat, outside_temp, charging_process_id, battery_heater, "
     "battery_heater_no_power, rated_battery_range_km, usable_battery_level"},
    {"public.states", "id, state, start_date, end_date, car_id"},
    {"public.updates", "id, start_date, end_date, version, car_id"},
    {"private.tokens", "id, inserted_at, updated_at, refresh, access"},
    {"public.positions",
     "id, date, latitude, longitude, speed, power, odometer, ideal_battery_range_km, battery_level, "
     "outside_temp, elevation, fan_status, driver_temp_setting, passenger_temp_setting, is_climate_on, "
     "is_rear_defroster_on, is_front_defroster_on, car_id, drive_id, inside_temp, battery_heater, "
     "battery_heater_on, battery_heater_no_power, est_battery_range_km, rated_battery_range_km, "
     "usable_battery_level, tpms_pressure_fl, tpms_pressure_fr, tpms_pressure_rl, tpms_pressure_rr"},
}};

}  // namespace

Script::Script(int descriptor) : descriptor_(descriptor) {
  for (std::size_t i = 0; i < table_count; ++i) {
    names_[i] = table_texts[i].name;
  }
}

void Script::write_copy_header(Table table) {
  const auto index = static_cast<std::size_t>(table);
  std::string text = "COPY ";
  text.append(names_[index]).append(" (").append(table_texts[index].columns).append(") FROM stdin;\n");
  write(text);
}

void Script::spill_if_large() {
  if (rows(Table::positions).size() >= positions_block) {
    write_positions();
  }
  std::size_t waiting = 0;
  for (std::size_t i = 0; i < table_count; ++i) {
    waiting += i == static_cast<std::size_t>(Table::positions) ? 0 : tables_[i].size();
  }
  if (waiting >= others_block) {
    flush();
  }
}

void Script::flush() {
  write_positions();
  close_positions();
  for (std::size_t i = 0; i < table_count; ++i) {
    if (tables_[i].size() != 0) {
      write_copy_header(Table{i});
      write(tables_[i].view());
      write("\\.\n\n");
      tables_[i].clear();
    }
  }
}

void Script::sql(std::string_view text) {
  flush();
  write(text);
}

void Script::write_positions() {
  CopyText& positions = rows(Table::positions);
  if (positions.size() == 0) {
    return;
  }
  if (!positions_open_) {
    write_copy_header(Table::positions);
    positions_open_ = true;
  }
  write(positions.view());
  positions.clear();
}

void Script::close_positions() {
  if (positions_open_) {
    write("\\.\n\n");
    positions_open_ = false;
  }
}

void Script::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) {
        continue;
      }
      throw base::system_error(errno, "writing the script");
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace tmb::sample
