// SPDX-License-Identifier: MIT
// The service around a swap: taken down so that it stays down, brought up as it was, watched. Private to
// restore/.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "report/reporter.hh"
#include "restore/journal.hh"
#include "restore/restore.hh"

namespace tmb::restore {

class Units {
 public:
  // `control` may be null: there is nothing to stop or start.
  Units(service::ServiceControl* control, const Options& options, report::Reporter& reporter)
      : control_(control), options_(&options), reporter_(&reporter) {}

  // Which of them run now, and whether the health address answers while they do.
  void look(std::vector<UnitRecord>& units);

  // The owner's hooks: before the first stop, which what it throws prevents, and after the last start.
  void announce_stop() const;
  void announce_start() const;

  // Holds and stops each, in order; cannot be interrupted. Throws service.
  void take_down(const std::vector<UnitRecord>& units);
  // Since take_down asked the first of them to stop; holding them before that stops nothing yet.
  double seconds_down() const;
  // Throws service unless every unit is down at this moment.
  void confirm_down(const std::vector<UnitRecord>& units);
  // Whether none is held any more; false also where systemd does not say.
  bool are_free(const std::vector<UnitRecord>& units);
  // Releases all and starts, in reverse order, those that ran before. A unit that is to stay down until its
  // owner trusts the new data has no reason to be away from the old. Goes through all before it throws the
  // first error.
  enum class Data { present, restored };
  void bring_up(const std::vector<UnitRecord>& units, Data data);

  // Returns once the units that bring_up started have been active without a restart for the settle time, the
  // health address answers and `database_answers` returned true. Throws service when that does not come to
  // pass in time. An address that did not answer before the restore either is a warning only.
  void watch(const std::function<bool()>& database_answers);

  // What a person types instead of us.
  service::Advice advice(const std::string& unit) const;

 private:
  void start(const std::string& unit);

  service::ServiceControl* control_;
  std::map<std::string, service::UnitState> baselines_;  // of the units that bring_up saw running
  const Options* options_;
  report::Reporter* reporter_;
  bool answered_before_ = false;
  std::optional<std::chrono::steady_clock::time_point> down_since_;
};

}  // namespace tmb::restore
