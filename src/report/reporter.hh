// SPDX-License-Identifier: MIT
// What an operation tells while it runs, as typed events; renderers decide how it looks. Operations never
// print. Every function may be called from several threads.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tmb::report {

enum class Unit { bytes, rows, items };

class Reporter {
 public:
  virtual ~Reporter() = default;

  // A phase begins: a short verb ("loading") and its object ("teslamate_staging"). `total` 0: unknown.
  virtual void begin_phase(std::string_view verb, std::string_view object, std::uint64_t total,
                           Unit unit) = 0;
  // `done` of the running phase's total so far. Cheap: renderers draw at most ten times a second.
  virtual void progress(std::uint64_t done) = 0;
  // The phase is done; `result` is what a person reads of it ("3 079 853 rows"), the time is added.
  virtual void end_phase(std::string_view result) = 0;

  // A finished line of the result, for people: stdout unless --json or --quiet.
  virtual void result(std::string_view line) = 0;
  // Something to know, on stderr unless --quiet.
  virtual void note(std::string_view line) = 0;
  // Something to act on. The program ends with 3 unless something worse happened.
  virtual void warning(std::string_view line) = 0;
  // Only with --verbose.
  virtual void detail(std::string_view line) = 0;

  virtual bool warned() const = 0;
};

// Says nothing and remembers only whether there was a warning: for operations inside operations and tests.
class SilentReporter final : public Reporter {
 public:
  void begin_phase(std::string_view, std::string_view, std::uint64_t, Unit) override {}
  void progress(std::uint64_t) override {}
  void end_phase(std::string_view) override {}
  void result(std::string_view) override {}
  void note(std::string_view) override {}
  void warning(std::string_view) override { warned_ = true; }
  void detail(std::string_view) override {}
  bool warned() const override { return warned_; }

 private:
  bool warned_ = false;
};

// Numbers as people read them.
std::string grouped(std::uint64_t number);   // 3 079 853 (with thin gaps: U+2009 becomes a plain space)
std::string byte_size(std::uint64_t bytes);  // 82.4 MB (decimal)
std::string duration(double seconds);        // 0.4 s, 1 min 12 s, 2 h 5 min
// "1 row", "3 079 853 rows"
std::string counted(std::uint64_t number, std::string_view singular, std::string_view plural);

}  // namespace tmb::report
