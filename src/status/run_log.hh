// SPDX-License-Identifier: MIT
// One run of a program from its beginning to its end, for those who were not there: the history, whoever is
// to be told, the metrics and the report. What goes wrong here is a note and never the run's own failure.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hh"
#include "config/settings.hh"
#include "notify/notifier.hh"
#include "report/json.hh"
#include "report/reporter.hh"

namespace tmb::status {

class RunLog {
 public:
  // All references must outlive it.
  RunLog(std::string kind, const config::Settings& settings, const config::Environment& environment,
         report::Reporter& reporter);
  // `warnings`: those that were given, for whoever reads the history.
  void finish(int exit_code, const std::string& error, const report::Json& document,
              std::vector<std::string> warnings) noexcept;

 private:
  void write_status() const;

  std::string kind_;
  const config::Settings& settings_;
  report::Reporter& reporter_;
  base::SystemClock clock_;
  base::Time started_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::unique_ptr<notify::Notifier> notifier_;  // null: nobody is to be told, or it is not known whom
};

}  // namespace tmb::status
