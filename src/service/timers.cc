// SPDX-License-Identifier: MIT
#include "service/timers.hh"

#include <systemd/sd-daemon.h>

#include "base/error.hh"
#include "service/bus.hh"

namespace tmb::service {

namespace {

constexpr const char* unit_interface = "org.freedesktop.systemd1.Unit";
constexpr std::chrono::seconds limit{5};  // of each question: a screen must not wait for a bus that hangs

std::string path_of(Bus& bus, const std::string& unit) {
  return read_object_path(bus.call_manager("LoadUnit", {unit}, limit).get());
}

// A point in microseconds since 1970; none and never are the smallest and the largest number.
std::optional<base::Time> time_of(const Properties& properties, const std::string& name) {
  const std::uint64_t value = number(properties, name);
  if (value == 0 || value == UINT64_MAX) return std::nullopt;
  return base::Time(std::chrono::microseconds(value));
}

void read_timer(Bus& bus, TimerState& out) {
  const std::string path = path_of(bus, out.timer);
  const Properties unit = bus.properties(path, unit_interface, limit);
  out.load_state = text(unit, "LoadState");
  out.active_state = text(unit, "ActiveState");
  out.unit_file_state = text(unit, "UnitFileState");
  if (out.load_state != "loaded") return;
  out.condition_failed = number(unit, "ConditionResult") == 0 && number(unit, "ConditionTimestamp") != 0;
  out.next = time_of(bus.properties(path, "org.freedesktop.systemd1.Timer", limit), "NextElapseUSecRealtime");
}

void read_service(Bus& bus, TimerState& out) {
  const std::string path = path_of(bus, out.service);
  const Properties unit = bus.properties(path, unit_interface, limit);
  out.service_active_state = text(unit, "ActiveState");
  if (text(unit, "LoadState") != "loaded") return;
  const Properties service = bus.properties(path, "org.freedesktop.systemd1.Service", limit);
  out.service_result = text(service, "Result");
  out.service_exit = static_cast<int>(number(service, "ExecMainStatus"));
}

}  // namespace

std::optional<std::vector<TimerState>> read_timers(const std::vector<TimerPair>& pairs) {
  if (::sd_booted() <= 0) return std::nullopt;
  Bus bus;
  std::vector<TimerState> out;
  try {
    for (const TimerPair& pair : pairs) {
      TimerState state;
      state.timer = pair.timer;
      state.service = pair.service;
      if (!pair.timer.empty()) read_timer(bus, state);
      read_service(bus, state);
      out.push_back(std::move(state));
    }
  } catch (const base::Error&) {
    return std::nullopt;
  } catch (const BusError&) {
    return std::nullopt;
  }
  return out;
}

}  // namespace tmb::service
