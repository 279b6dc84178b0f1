// SPDX-License-Identifier: MIT
// One expression evaluated by the running TeslaMate through its release's own command. The expression is made
// here from a number; the cookie goes through the child's environment and never into an argument of ours.
// What it printed proves nothing: the caller reads the row back.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "base/error.hh"
#include "base/file.hh"
#include "base/secret.hh"

namespace tmb::teslamate {

struct RpcSettings {
  std::vector<std::string> command;
  std::string user;  // account that runs it; empty: ours
  std::string node;  // empty: the release's own
  base::Secret cookie;
  std::map<std::string, std::string> environment;
  std::chrono::milliseconds limit{10000};
};

// The program that a command's first word means: a path as it is, a name where PATH of `environment` and the
// places of Debian's and NixOS' packages have it. Empty when it is nowhere.
base::Path find_program(const std::string& name, const std::map<std::string, std::string>& environment);

enum class RpcCall { close_drive, complete_charging_process };

// As TeslaMate documents it for closing by hand.
std::string expression(RpcCall call, std::int64_t id);

struct RpcAnswer {
  bool ok = false;  // the command ended with 0
  int exit_code = 0;
  bool timed_out = false;
  std::string said;  // its first line, printable; of stderr before stdout
};

// Throws wrong_key when the node runs and does not take the cookie, service when it is down or the command
// cannot be run. A failure of the expression itself is in the answer. The limit is kept even by a child that
// does not end when it is asked to.
RpcAnswer call(const RpcSettings& settings, RpcCall call, std::int64_t id, const std::stop_token& stop);

}  // namespace tmb::teslamate
