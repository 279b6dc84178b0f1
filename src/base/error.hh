// SPDX-License-Identifier: MIT
// The one exception type: what failed on which object and why, what is live now, one next step.
// Layers add context while unwinding; cli::run_main prints it once. Not for control flow.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "base/exit_code.hh"

namespace tmb::base {

class Error : public std::runtime_error {
 public:
  Error(ExitCode code, std::string message);

  ExitCode code() const { return code_; }
  const std::string& message() const { return message_; }
  const std::string& state() const { return state_; }  // empty: nobody said it yet
  const std::string& hint() const { return hint_; }    // empty: there is none
  const char* what() const noexcept override { return message_.c_str(); }

  // Each returns *this, so that an error can be built in one throw expression.
  Error& with_state(std::string state);
  Error& with_hint(std::string hint);
  Error& with_code(ExitCode code);
  // Puts "context: " before the message.
  Error& with_context(std::string_view context);

 private:
  ExitCode code_;
  std::string message_;
  std::string state_;
  std::string hint_;
};

// "message: <text of errno>". `error` is an errno value, read before anything else could change it.
Error system_error(int error, std::string message, ExitCode code = ExitCode::local_io);

// Text safe for a terminal, a log line or a message: control characters, DEL and invalid UTF-8 become
// \n, \t, \xHH; so do the bidirectional overrides that can make a line read differently than it is.
std::string printable(std::string_view text);

}  // namespace tmb::base
