// SPDX-License-Identifier: MIT
// A reporter that also takes the time of each phase it hears of. Private to drill/.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "report/reporter.hh"

namespace tmb::drill {

class PhaseTimes final : public report::Reporter {
 public:
  explicit PhaseTimes(report::Reporter& other) : other_(other) {}

  // By the verb of the phase ("loading"), in order, in seconds. What passed between phases belongs to the
  // next one.
  const std::vector<std::pair<std::string, double>>& times() const { return times_; }

  void begin_phase(std::string_view verb, std::string_view object, std::uint64_t total,
                   report::Unit unit) override;
  void progress(std::uint64_t done) override { other_.progress(done); }
  void end_phase(std::string_view result) override;
  void result(std::string_view line) override { other_.detail(line); }  // of the restore inside
  void note(std::string_view line) override { other_.note(line); }
  void warning(std::string_view line) override { other_.warning(line); }
  void detail(std::string_view line) override { other_.detail(line); }
  bool warned() const override { return other_.warned(); }

 private:
  report::Reporter& other_;
  std::string verb_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
  std::vector<std::pair<std::string, double>> times_;
};

}  // namespace tmb::drill
