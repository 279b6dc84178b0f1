// SPDX-License-Identifier: MIT
// The connection to systemd over the system bus, and the few shapes of messages we exchange with it.
// For this folder only: nothing outside may see sd-bus. Not thread-safe. Survives a lost connection and
// a `systemctl daemon-reexec`, because everything it asks for may be asked twice.
#pragma once

#include <systemd/sd-bus.h>

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

namespace tmb::service {

struct BusDeleter {
  void operator()(sd_bus* bus) const { sd_bus_flush_close_unref(bus); }
};
struct SlotDeleter {
  void operator()(sd_bus_slot* slot) const { sd_bus_slot_unref(slot); }
};
struct MessageDeleter {
  void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
};
using BusHandle = std::unique_ptr<sd_bus, BusDeleter>;
using SlotHandle = std::unique_ptr<sd_bus_slot, SlotDeleter>;
using Message = std::unique_ptr<sd_bus_message, MessageDeleter>;

// A method that answered with an error. Internal: turned into base::Error by those who know the unit.
class BusError : public std::runtime_error {
 public:
  BusError(std::string name, const std::string& message)
      : std::runtime_error(message), name_(std::move(name)) {}
  const std::string& name() const { return name_; }  // org.freedesktop.systemd1.NoSuchUnit, …
  bool is_denied() const;

 private:
  std::string name_;
};

using Value = std::variant<std::string, std::uint64_t, std::vector<std::string>>;
using Properties = std::map<std::string, Value>;
// Empty and 0 for a property that is not there or of another type.
std::string text(const Properties& properties, const std::string& name);
std::uint64_t number(const Properties& properties, const std::string& name);

class Bus {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds default_limit{30};

  Bus() = default;
  Bus(const Bus&) = delete;
  Bus& operator=(const Bus&) = delete;

  // Calls a method of systemd with string arguments. Connects when there is no connection; tries again
  // for a few seconds when systemd or the bus goes away under the call. Throws BusError for an answer
  // that is an error, Error(service) when the bus cannot be reached.
  Message call(const std::string& path, const char* interface, const char* method,
               std::initializer_list<std::string> arguments, std::chrono::seconds limit = default_limit);
  Message call_manager(const char* method, std::initializer_list<std::string> arguments,
                       std::chrono::seconds limit = default_limit);
  // All properties of one interface in one look; types that nobody here needs are left out.
  Properties properties(const std::string& path, const char* interface,
                        std::chrono::seconds limit = default_limit);

  // From now on the results of finished jobs are remembered. To be called before a job is asked for.
  void watch_jobs();
  // The result of the job ("done", "failed", …) if its end was announced since watch_jobs().
  std::optional<std::string> job_result(const std::string& job) const;
  // Handles what has arrived, waiting at most `slice` for it. False: the connection was lost, and
  // announcements with it.
  bool process(std::chrono::milliseconds slice);

 private:
  void connect();
  void subscribe();
  Message call_once(const std::string& path, const char* interface, const char* method,
                    std::initializer_list<std::string> arguments, std::chrono::seconds limit);
  static int on_job_removed(sd_bus_message* message, void* self, sd_bus_error* error);

  bool watching_ = false;
  std::map<std::string, std::string> removed_jobs_;
  BusHandle bus_;  // before slot_: the slot goes first
  SlotHandle slot_;
};

std::string read_object_path(sd_bus_message* message);

}  // namespace tmb::service
