// SPDX-License-Identifier: MIT
#include "service/systemd_control.hh"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <thread>

#include "base/error.hh"
#include "service/bus.hh"
#include "service/hold_file.hh"

namespace tmb::service {

namespace {

using base::Error;
using base::ExitCode;
using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* unit_interface = "org.freedesktop.systemd1.Unit";
constexpr const char* service_interface = "org.freedesktop.systemd1.Service";

constexpr seconds least_limit{90};
constexpr seconds limit_of_limitless{600};
constexpr seconds reload_limit{90};
constexpr milliseconds wait_slice{200};  // how late a stop request is noticed
constexpr seconds ask_again{1};          // how late a missed announcement is noticed
constexpr seconds settle_time{3};        // for the last processes to leave an already stopped unit
constexpr milliseconds settle_pause{20};

bool lists(const Properties& properties, const std::string& name, const std::string& wanted) {
  const auto found = properties.find(name);
  if (found == properties.end()) return false;
  const auto* value = std::get_if<std::vector<std::string>>(&found->second);
  return value != nullptr && std::find(value->begin(), value->end(), wanted) != value->end();
}

// systemd writes "no limit" as the largest number.
microseconds duration(const Properties& properties, const std::string& name) {
  const std::uint64_t value = number(properties, name);
  constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<microseconds::rep>::max());
  return value >= most ? microseconds::max() : microseconds(static_cast<microseconds::rep>(value));
}

// Twice the unit's own time, because each of its stages may take that long, and some more.
seconds time_limit(std::optional<seconds> asked, microseconds units_own) {
  if (asked) return *asked;
  if (units_own == microseconds::max()) return limit_of_limitless;
  const auto generous = std::min(units_own, microseconds(limit_of_limitless)) * 2 + seconds(10);
  return std::max(least_limit, std::chrono::duration_cast<seconds>(generous));
}

std::string describe(const UnitState& state) {
  std::string words = "ActiveState=" + state.active_state + ", SubState=" + state.sub_state;
  if (!state.result.empty()) words += ", Result=" + state.result;
  if (state.main_pid != 0) words += ", MainPID=" + std::to_string(state.main_pid);
  return base::printable(words);
}

std::string list_processes(const UnitState& state) {
  constexpr std::size_t most = 5;
  std::string words;
  for (std::size_t i = 0; i < state.processes.size() && i < most; ++i) {
    words += (i == 0 ? "" : ", ") + std::to_string(state.processes[i].pid) + " (" +
             base::printable(state.processes[i].command) + ")";
  }
  if (state.processes.size() > most)
    words += ", and " + std::to_string(state.processes.size() - most) + " more";
  return words;
}

std::string journal_hint(const std::string& unit) { return "see: journalctl -u " + unit + " -n 50"; }

Error denied(const std::string& unit, const char* what) {
  return Error(ExitCode::service, std::string("not allowed to ") + what + " " + unit)
      .with_hint(
          "run it as root, or let a polkit rule grant org.freedesktop.systemd1.manage-units for this unit");
}

// An answer from systemd, told in terms of the unit.
Error refused(const std::string& unit, const char* what, const BusError& error) {
  if (error.is_denied()) return denied(unit, what);
  return Error(ExitCode::service,
               std::string("cannot ") + what + " " + unit + ": " + base::printable(error.what()))
      .with_hint("see: systemctl status " + unit);
}

}  // namespace

class SystemdControl::Impl {
 public:
  explicit Impl(base::Path drop_ins) : drop_ins_(std::move(drop_ins)) {}

  UnitState state(const std::string& unit);
  UnitState check(const std::string& unit);
  StopResult stop(const std::string& unit, std::optional<seconds> limit, const std::stop_token& stop);
  UnitState start(const std::string& unit, std::optional<seconds> limit);
  void hold(const std::string& unit);
  void release(const std::string& unit);

 private:
  void require_loaded(const std::string& unit, const UnitState& state);
  void require_permission(const std::string& unit, const char* method, const char* what);
  std::string queue_job(const std::string& unit, const char* method, const char* what);
  void wait_for_job(const std::string& unit, const std::string& job, Clock::time_point until,
                    const char* what, const std::stop_token& stop);
  std::string pending_job(const std::string& unit);
  UnitState settle(const std::string& unit, Clock::time_point until, const std::stop_token& stop);
  std::vector<Process> processes(const std::string& unit);
  std::string unit_path(const std::string& unit);
  void keep_in_memory(const std::string& unit);
  void reload(const std::string& unit);

  base::Path drop_ins_;
  Bus bus_;
};

std::string SystemdControl::Impl::unit_path(const std::string& unit) {
  return read_object_path(bus_.call_manager("LoadUnit", {unit}).get());
}

std::vector<Process> SystemdControl::Impl::processes(const std::string& unit) {
  std::vector<Process> found;
  Message reply;
  try {
    reply = bus_.call_manager("GetUnitProcesses", {unit});
  } catch (const BusError& error) {
    // Down, and already forgotten again: systemd keeps a unit in memory as long as a process is in it.
    if (error.name() == "org.freedesktop.systemd1.NoSuchUnit") return found;
    throw;
  }
  sd_bus_message* message = reply.get();
  int code = sd_bus_message_enter_container(message, SD_BUS_TYPE_ARRAY, "(sus)");
  const char* group = nullptr;
  const char* command = nullptr;
  std::uint32_t pid = 0;
  while (code > 0 && (code = sd_bus_message_read(message, "(sus)", &group, &pid, &command)) > 0) {
    found.push_back({pid, command});
  }
  // An unreadable list must not pass for an empty one.
  if (code < 0) throw base::system_error(-code, "cannot read the processes of " + unit, ExitCode::service);
  return found;
}

UnitState SystemdControl::Impl::state(const std::string& unit) {
  try {
    const std::string path = unit_path(unit);
    const Properties properties = bus_.properties(path, unit_interface);
    UnitState state;
    state.id = text(properties, "Id");
    state.load_state = text(properties, "LoadState");
    state.active_state = text(properties, "ActiveState");
    state.sub_state = text(properties, "SubState");
    state.unit_file_state = text(properties, "UnitFileState");
    state.invocation_id = text(properties, "InvocationID");
    state.held = lists(properties, "DropInPaths", hold_file_path(drop_ins_, state.id).string());
    const Properties service = bus_.properties(path, service_interface);
    state.result = text(service, "Result");
    state.main_pid = static_cast<std::uint32_t>(number(service, "MainPID"));
    state.restarts = static_cast<std::uint32_t>(number(service, "NRestarts"));
    state.stop_time = duration(service, "TimeoutStopUSec");
    state.start_time = duration(service, "TimeoutStartUSec");
    state.processes = processes(unit);
    return state;
  } catch (const BusError& error) {
    throw refused(unit, "look at", error);
  }
}

void SystemdControl::Impl::require_loaded(const std::string& unit, const UnitState& state) {
  if (state.load_state == "not-found") {
    throw Error(ExitCode::service, unit + " does not exist")
        .with_hint("name the unit that runs TeslaMate with --unit, or say --no-service if nothing runs it");
  }
  if (state.load_state == "masked" || state.unit_file_state.starts_with("masked")) {
    throw Error(ExitCode::service, unit + " is masked, so it could not be started again")
        .with_hint("systemctl unmask " + unit);
  }
  if (state.load_state != "loaded") {
    throw Error(ExitCode::service, unit + " cannot be used: LoadState=" + base::printable(state.load_state))
        .with_hint("systemctl status " + unit);
  }
}

// Asks for a job in a mode that is refused, but only after the permission was looked at: systemd
// isolates targets, never a stop, and a service only where its file allows it. So the error tells.
void SystemdControl::Impl::require_permission(const std::string& unit, const char* method, const char* what) {
  try {
    bus_.call_manager(method, {unit, "isolate"});
  } catch (const BusError& error) {
    if (error.is_denied()) throw denied(unit, what);
    if (error.name() == "org.freedesktop.systemd1.OnlyByDependency") throw refused(unit, what, error);
    return;
  }
}

UnitState SystemdControl::Impl::check(const std::string& unit) {
  UnitState seen = state(unit);
  require_loaded(unit, seen);
  require_permission(unit, "StopUnit", "stop");
  const Properties properties = bus_.properties(unit_path(unit), unit_interface);
  // A service that may be isolated would be: then only the stop could be tried out.
  if (number(properties, "CanIsolate") == 0) require_permission(unit, "StartUnit", "start");
  if (::faccessat(AT_FDCWD, drop_ins_.c_str(), W_OK, AT_EACCESS) != 0) {
    throw base::system_error(errno, "cannot keep " + unit + " down: cannot write to " + drop_ins_.string(),
                             ExitCode::service)
        .with_hint("a restore runs as root; in a unit of its own it needs ReadWritePaths=" +
                   drop_ins_.string());
  }
  return seen;
}

std::string SystemdControl::Impl::queue_job(const std::string& unit, const char* method, const char* what) {
  bus_.watch_jobs();
  try {
    return read_object_path(bus_.call_manager(method, {unit, "replace"}).get());
  } catch (const BusError& error) {
    throw refused(unit, what, error);
  }
}

std::string SystemdControl::Impl::pending_job(const std::string& unit) {
  try {
    return text(bus_.properties(unit_path(unit), unit_interface), "Job");
  } catch (const BusError& error) {
    throw refused(unit, "look at", error);
  }
}

// Returns when the job is no longer there, however it ended: the result is not looked at, on purpose.
void SystemdControl::Impl::wait_for_job(const std::string& unit, const std::string& job,
                                        Clock::time_point until, const char* what,
                                        const std::stop_token& stop) {
  const auto began = Clock::now();
  auto next_question = began + ask_again;
  while (!bus_.job_result(job)) {
    if (stop.stop_requested()) {
      throw Error(ExitCode::interrupted,
                  std::string("interrupted while waiting for ") + unit + " to " + what);
    }
    const auto now = Clock::now();
    if (now >= until) {
      const auto waited = std::chrono::round<seconds>(now - began);
      throw Error(ExitCode::service, unit + " did not " + what + " within " + std::to_string(waited.count()) +
                                         " s: " + describe(state(unit)))
          .with_hint(journal_hint(unit));
    }
    // Announcements are lost with the connection, or when systemd executes itself anew: ask for the job.
    const bool connected = bus_.process(std::min(wait_slice, std::chrono::ceil<milliseconds>(until - now)));
    if (!connected || now >= next_question) {
      if (pending_job(unit) != job && !bus_.job_result(job)) return;
      next_question = Clock::now() + ask_again;
    }
  }
}

// The state once it is at rest: a unit still on its way down gets until `until`, the last processes of one
// that is down already get a moment.
UnitState SystemdControl::Impl::settle(const std::string& unit, Clock::time_point until,
                                       const std::stop_token& stop) {
  std::optional<Clock::time_point> grace;
  for (;;) {
    UnitState seen = state(unit);
    if (seen.is_down() || seen.is_wanted() || stop.stop_requested()) return seen;
    const auto now = Clock::now();
    if (!grace && seen.active_state != "deactivating") grace = now + settle_time;
    if (now >= grace.value_or(until)) return seen;
    if (!bus_.process(settle_pause)) std::this_thread::sleep_for(settle_pause);
  }
}

StopResult SystemdControl::Impl::stop(const std::string& unit, std::optional<seconds> limit,
                                      const std::stop_token& stop) {
  const UnitState before = state(unit);
  require_loaded(unit, before);
  if (stop.stop_requested())
    throw Error(ExitCode::interrupted, "interrupted before " + unit + " was stopped");
  const auto until = Clock::now() + time_limit(limit, before.stop_time);
  UnitState after;
  for (;;) {
    const std::string job = queue_job(unit, "StopUnit", "stop");
    wait_for_job(unit, job, until, "stop", stop);
    after = settle(unit, until, stop);
    // Somebody's start takes the place of a stop that is under way: then it is asked for again.
    const bool replaced = !after.is_down() && bus_.job_result(job) == "canceled";
    if (!replaced || stop.stop_requested() || Clock::now() >= until) break;
  }
  if (!after.is_down()) {
    if (after.processes.empty() || after.is_wanted()) {
      throw Error(ExitCode::service, unit + " was stopped, but is not down: " + describe(after))
          .with_hint("something started it again; " + journal_hint(unit));
    }
    throw Error(ExitCode::service,
                unit + " was stopped, but processes of it are still alive: " + list_processes(after))
        .with_hint("stop them, then try again; KillMode= of the unit should be control-group or mixed");
  }
  StopResult result;
  result.was_wanted = before.is_wanted();
  if (after.active_state == "failed" && before.active_state != "failed") {
    result.warning =
        unit + " is down, but did not stop cleanly (Result=" + base::printable(after.result) + ")";
  }
  return result;
}

UnitState SystemdControl::Impl::start(const std::string& unit, std::optional<seconds> limit) {
  const UnitState before = state(unit);
  require_loaded(unit, before);
  if (before.held) {
    throw Error(ExitCode::service, unit + " is held down by " + hold_file_path(drop_ins_, before.id).string())
        .with_hint("teslamate-restore --abort");
  }
  const auto until = Clock::now() + time_limit(limit, before.start_time);
  try {
    // Attempts that were refused during the hold count against the unit's start limit: forget them.
    bus_.call_manager("ResetFailedUnit", {unit});
  } catch (const BusError&) {
    // Not allowed to: then the start limit may bite, and the start below says so.
  }
  keep_in_memory(unit);
  const std::string job = queue_job(unit, "StartUnit", "start");
  wait_for_job(unit, job, until, "start", {});

  UnitState after = state(unit);
  const bool finished = after.active_state == "inactive" && after.result == "success" &&
                        !after.invocation_id.empty() && after.invocation_id != before.invocation_id;
  // `finished`: Type=oneshot did its work; one that an assertion or condition kept away has no new id.
  if (after.active_state != "active" && after.active_state != "reloading" && !finished) {
    throw Error(ExitCode::service, unit + " did not start: " + describe(after)).with_hint(journal_hint(unit));
  }
  return after;
}

// systemd forgets a unit, and how it ended, once it is inactive; not while a connection refers to it.
void SystemdControl::Impl::keep_in_memory(const std::string& unit) {
  try {
    bus_.call(unit_path(unit), unit_interface, "Ref", {});
  } catch (const BusError&) {
    return;  // not allowed to: then a oneshot that ended may be taken for one that never began
  }
}

void SystemdControl::Impl::reload(const std::string& unit) {
  try {
    bus_.call_manager("Reload", {}, reload_limit);
  } catch (const BusError& error) {
    throw refused(unit, "make systemd read the drop-in of", error);
  }
}

void SystemdControl::Impl::hold(const std::string& unit) {
  const UnitState before = state(unit);
  require_loaded(unit, before);
  write_hold_file(drop_ins_, before.id);
  try {
    reload(unit);
    if (!state(unit).held) {
      throw Error(ExitCode::service, "cannot keep " + unit + " down: systemd does not read " +
                                         hold_file_path(drop_ins_, before.id).string())
          .with_hint("systemctl cat " + unit);
    }
  } catch (...) {
    remove_hold_file(drop_ins_, before.id);
    throw;
  }
}

void SystemdControl::Impl::release(const std::string& unit) {
  // Both names, and no question to systemd before the first removal: this runs after crashes, too.
  bool removed = remove_hold_file(drop_ins_, unit);
  const UnitState seen = state(unit);
  if (seen.id != unit) removed = remove_hold_file(drop_ins_, service_name(seen.id)) || removed;
  if (removed || seen.held) reload(unit);
}

SystemdControl::SystemdControl(std::filesystem::path drop_ins)
    : impl_(std::make_unique<Impl>(std::move(drop_ins))) {}
SystemdControl::~SystemdControl() = default;

UnitState SystemdControl::state(const std::string& unit) { return impl_->state(service_name(unit)); }
UnitState SystemdControl::check(const std::string& unit) { return impl_->check(service_name(unit)); }
StopResult SystemdControl::stop(const std::string& unit, std::optional<seconds> limit, std::stop_token stop) {
  return impl_->stop(service_name(unit), limit, stop);
}
UnitState SystemdControl::start(const std::string& unit, std::optional<seconds> limit) {
  return impl_->start(service_name(unit), limit);
}
void SystemdControl::hold(const std::string& unit) { impl_->hold(service_name(unit)); }
void SystemdControl::release(const std::string& unit) { impl_->release(service_name(unit)); }

}  // namespace tmb::service
