// SPDX-License-Identifier: MIT
// ServiceControl by commands, for a TeslaMate that systemd does not know (Docker Compose). There is one unit,
// `commanded_unit`. Nobody can hold it down: the restore closes the database's door, which does.
#pragma once

#include "service/command.hh"
#include "service/service_control.hh"

namespace tmb::service {

// As it is called in messages and in the journal of a restore.
inline constexpr const char* commanded_unit = "TeslaMate";

struct ServiceCommands {
  std::vector<std::string> stop;
  std::vector<std::string> start;
  // It runs when this ends with 0 and prints something other than "false". Empty: nobody can tell; then it is
  // taken for running until it was stopped.
  std::vector<std::string> status;
  std::chrono::seconds timeout{180};  // for each
};

class CommandControl final : public ServiceControl {
 public:
  explicit CommandControl(ServiceCommands commands) : commands_(std::move(commands)) {}

  UnitState state(const std::string& unit) override;
  UnitState check(const std::string& unit) override;
  StopResult stop(const std::string& unit, std::optional<std::chrono::seconds> limit,
                  std::stop_token stop) override;
  UnitState start(const std::string& unit, std::optional<std::chrono::seconds> limit) override;
  void hold(const std::string& unit) override;
  void release(const std::string& unit) override;
  Advice advice(const std::string& unit) const override;
  std::string unit_name(const std::string& unit) const override;

 private:
  bool is_running() const;
  void wait_until(bool running, std::chrono::seconds limit, const std::stop_token& stop) const;

  ServiceCommands commands_;
  std::optional<bool> asked_for_;  // running, or not
};

}  // namespace tmb::service
