// SPDX-License-Identifier: MIT
// ServiceControl over the system bus. Stops and starts with job mode "replace", waits for that very job,
// then believes only what the unit's properties and control group say. One instance per thread.
// A caller that runs inside a unit ordered Before= the one it starts waits for itself: use After=.
#pragma once

#include <filesystem>
#include <memory>

#include "service/service_control.hh"

namespace tmb::service {

class SystemdControl final : public ServiceControl {
 public:
  // Connects on first use. `drop_ins`: systemd's folder for run-time configuration.
  explicit SystemdControl(std::filesystem::path drop_ins = "/run/systemd/system");
  ~SystemdControl() override;

  UnitState state(const std::string& unit) override;
  UnitState check(const std::string& unit) override;
  StopResult stop(const std::string& unit, std::optional<std::chrono::seconds> limit,
                  std::stop_token stop) override;
  UnitState start(const std::string& unit, std::optional<std::chrono::seconds> limit) override;
  void hold(const std::string& unit) override;
  void release(const std::string& unit) override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tmb::service
