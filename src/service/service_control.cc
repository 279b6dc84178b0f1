// SPDX-License-Identifier: MIT
#include "service/service_control.hh"

#include <algorithm>

#include "base/error.hh"

namespace tmb::service {

namespace {

constexpr std::size_t longest_name = 255;  // systemd's own limit, and a file name's

bool is_name_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view(":-_.\\@").find(c) != std::string_view::npos;
}

base::Error bad_name(std::string_view unit, std::string_view why) {
  return base::Error(base::ExitCode::service,
                     "\"" + base::printable(unit) + "\" is not the name of a service: " + std::string(why))
      .with_hint("systemctl list-units --type=service --all shows the names");
}

}  // namespace

bool UnitState::is_wanted() const {
  return active_state == "active" || active_state == "reloading" || active_state == "refreshing" ||
         active_state == "activating";
}

bool UnitState::is_down() const {
  return (active_state == "inactive" || active_state == "failed") && main_pid == 0 && processes.empty();
}

Advice ServiceControl::advice(const std::string& unit) const {
  const std::string name = base::printable(unit);
  return {"systemctl stop " + name,
          "rm -f /run/systemd/system/" + name +
              ".d/*teslamate-backup*; systemctl daemon-reload; systemctl start " + name,
          "journalctl -u " + name + " -n 50"};
}

std::string ServiceControl::unit_name(const std::string& unit) const { return service_name(unit); }

std::string service_name(std::string_view unit) {
  constexpr std::string_view suffix = ".service";
  constexpr std::string_view others[] = {".socket", ".target", ".timer",     ".mount", ".path",
                                         ".slice",  ".scope",  ".automount", ".swap",  ".device"};
  if (unit.empty()) throw bad_name(unit, "it is empty");
  if (!std::all_of(unit.begin(), unit.end(), is_name_character)) {
    throw bad_name(unit, "only letters, digits and :-_.\\@ may be in it");
  }
  for (std::string_view other : others) {
    if (unit.ends_with(other)) throw bad_name(unit, "units of another type cannot be stopped for a restore");
  }
  std::string name(unit);
  if (!name.ends_with(suffix)) name += suffix;
  const std::string_view stem = std::string_view(name).substr(0, name.size() - suffix.size());
  if (stem.empty() || stem.front() == '.' || stem.front() == '@')
    throw bad_name(unit, "nothing is before its suffix");
  if (stem.back() == '@') throw bad_name(unit, "it is a template; name one instance");
  if (name.size() > longest_name) throw bad_name(unit, "it is longer than 255 characters");
  return name;
}

}  // namespace tmb::service
