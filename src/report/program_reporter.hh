// SPDX-License-Identifier: MIT
// The reporters of a program: a terminal with a progress line, plain lines, JSON, and the journal in place of
// stderr where systemd connected it. They write with write(2), never throw, and remember that stdout failed.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hh"
#include "report/json.hh"
#include "report/reporter.hh"

namespace tmb::report {

struct ReporterOptions {
  std::string program{};  // begins the lines of errors and warnings
  bool json = false;
  bool quiet = false;
  bool verbose = false;
  bool color = false;     // escape sequences may be used on stderr
  bool progress = false;  // stderr is a terminal on which a line can be drawn again
  bool journal = false;   // stderr is connected to the journal
  unsigned width = 80;    // of the terminal
  int out = 1;            // descriptors, not owned
  int err = 2;
};

// Looks at the terminal, NO_COLOR, TERM and JOURNAL_STREAM. `variable` is getenv().
ReporterOptions detect(ReporterOptions options, const std::function<const char*(const char*)>& variable);

class ProgramReporter : public Reporter {
 public:
  // The three lines of an error: what failed, what is live now, what to do next.
  virtual void error(const base::Error& error) = 0;
  // Writes the final document. Nothing without --json.
  virtual void finish(const Json& document) = 0;
  // Text to stdout as it is (--help, --version).
  virtual void text(std::string_view text) = 0;
  virtual std::vector<std::string> warnings() const = 0;
  // errno of the first write to stdout that failed, 0 when none did.
  virtual int output_error() const = 0;
  // `status` gets one-line progress ("loading teslamate_staging: 43 %") at most once a second, and may be
  // called from any thread.
  virtual void set_status_sink(std::function<void(std::string_view)> status) = 0;
};

std::unique_ptr<ProgramReporter> make_reporter(const ReporterOptions& options);

}  // namespace tmb::report
