// SPDX-License-Identifier: MIT
// What all reporters of a program share: warnings and errors to stderr or the journal, the running phase, the
// status line for systemd. Private to report/.
#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>

#include "report/output.hh"
#include "report/program_reporter.hh"

namespace tmb::report {

struct Phase {
  std::string verb;
  std::string object;
  std::uint64_t total = 0;
  Unit unit = Unit::items;
  std::chrono::steady_clock::time_point started;

  double seconds() const;
};

class MessageReporter : public ProgramReporter {
 public:
  explicit MessageReporter(const ReporterOptions& options)
      : options_(options), out_(options.out), err_(options.err) {}

  void begin_phase(std::string_view verb, std::string_view object, std::uint64_t total, Unit unit) override;
  void progress(std::uint64_t done) override;
  void end_phase(std::string_view result) override;
  void note(std::string_view line) override;
  void warning(std::string_view line) override;
  void detail(std::string_view line) override;
  bool warned() const override;
  void error(const base::Error& error) override;
  void text(std::string_view text) override;
  std::vector<std::string> warnings() const override;
  int output_error() const override { return out_.error(); }
  void set_status_sink(std::function<void(std::string_view)> status) override;

 protected:
  // All of these are called with the lock held.
  virtual void draw(const Phase& /*phase*/, std::uint64_t /*done*/) {}
  virtual void clear() {}  // what draw() left on the terminal
  virtual void show_end(const Phase& phase, std::string_view result) = 0;
  // `line` goes to stderr after `label`, or to the journal.
  void message(Priority priority, std::string_view label, std::string_view line, Fields fields = {});
  void write_error(std::string_view text) { err_.write(text); }

  const ReporterOptions& options() const { return options_; }
  Output& out() { return out_; }
  std::mutex& mutex() const { return mutex_; }

 private:
  void tell_status(const std::string& text);
  std::string colored(const char* color, std::string_view text) const;

  const ReporterOptions options_;
  Output out_;
  Output err_;
  mutable std::mutex mutex_;
  std::optional<Phase> phase_;
  std::vector<std::string> warnings_;
  std::function<void(std::string_view)> status_;
  std::chrono::steady_clock::time_point next_status_;
  std::atomic<std::int64_t> next_draw_{0};  // of the steady clock; keeps progress() cheap
};

}  // namespace tmb::report
