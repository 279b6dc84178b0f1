// SPDX-License-Identifier: MIT
#include "config/operations_settings.hh"

namespace tmb::config {

std::chrono::seconds GoalSettings::recovery_point() const {
  if (rpo) return *rpo;
  if (preset == "production") return std::chrono::minutes(5);
  return preset == "serious" ? std::chrono::hours(1) : std::chrono::hours(24);
}

std::chrono::seconds GoalSettings::recovery_time() const {
  if (rto) return *rto;
  if (preset == "production") return std::chrono::minutes(15);
  return preset == "serious" ? std::chrono::minutes(30) : std::chrono::hours(2);
}

}  // namespace tmb::config
