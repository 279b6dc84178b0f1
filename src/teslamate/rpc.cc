// SPDX-License-Identifier: MIT
#include "teslamate/rpc.hh"

#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/process.hh"
#include "teslamate/epmd.hh"

namespace tmb::teslamate {

using base::Error;
using base::ExitCode;
using base::printable;

namespace {

constexpr std::size_t most_output = std::size_t{1} << 20U;

std::string program_of(const RpcSettings& settings) {
  const std::string& name = settings.command.front();
  std::string found = find_program(name, settings.environment).string();
  if (!found.empty()) return found;
  throw Error(ExitCode::service, "the command '" + printable(name) + "' that reaches TeslaMate was not found")
      .with_hint(
          "say where it is in the settings file: [maintenance] rpc_command = [\"/path/to/teslamate\", "
          "\"rpc\"]");
}

std::optional<base::OsUser> account(const std::string& name) {
  if (name.empty()) return std::nullopt;
  auto found = base::find_os_user(name);
  if (!found)
    throw Error(ExitCode::usage,
                "maintenance.rpc_user: this system has no account '" + printable(name) + "'");
  return found;
}

std::vector<std::string> environment_of(const RpcSettings& settings) {
  std::vector<std::string> out;
  for (const auto& [name, value] : settings.environment) {
    std::string line = name;
    line += '=';
    line += value;
    out.push_back(std::move(line));
  }
  if (!settings.node.empty()) out.push_back("RELEASE_NODE=" + settings.node);
  if (!settings.cookie.empty()) out.push_back("RELEASE_COOKIE=" + settings.cookie.reveal());
  return out;
}

// Asks `source` to stop when the time is over, or earlier when `stop` is asked.
class Deadline {
 public:
  Deadline(std::chrono::milliseconds limit, const std::stop_token& stop)
      : on_stop_(stop, [this] { source_.request_stop(); }),
        thread_([this, limit](const std::stop_token& ended) {
          std::unique_lock lock(mutex_);
          if (changed_.wait_for(lock, ended, limit, [] { return false; }) || ended.stop_requested()) return;
          over_ = true;
          source_.request_stop();
        }) {}

  std::stop_token token() const { return source_.get_token(); }
  // To be asked when the child has ended.
  bool is_over() {
    thread_.request_stop();
    thread_.join();
    return over_;
  }

 private:
  std::stop_source source_;
  std::stop_callback<std::function<void()>> on_stop_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool over_ = false;
  std::jthread thread_;  // last: it uses the others
};

std::string first_line(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return "";
  return printable(text.substr(begin, std::min(text.find('\n', begin), begin + 300) - begin));
}

std::string epmd_port(const RpcSettings& settings) {
  const auto found = settings.environment.find("ERL_EPMD_PORT");
  return found == settings.environment.end() ? std::string() : found->second;
}

[[noreturn]] void throw_unreachable(const RpcSettings& settings) {
  const std::string node = settings.node.empty() ? "teslamate" : settings.node;
  const std::optional<bool> registered = is_node_registered(node, epmd_port(settings));
  if (registered && *registered) {
    throw Error(ExitCode::wrong_key,
                "TeslaMate's node " + printable(node) + " runs but does not take the cookie")
        .with_hint(
            "name TeslaMate's own: RELEASE_COOKIE in its environment file, or [maintenance] cookie_file");
  }
  throw Error(ExitCode::service, "TeslaMate's node " + printable(node) +
                                     " cannot be reached: it does not run, "
                                     "or not under this name")
      .with_hint("systemctl status teslamate; its name is [maintenance] node in the settings file");
}

bool says_unreachable(const std::string& text) {
  return text.find("nodedown") != std::string::npos || text.find(":noconnection") != std::string::npos ||
         text.find("Could not contact remote node") != std::string::npos;
}

}  // namespace

base::Path find_program(const std::string& name, const std::map<std::string, std::string>& environment) {
  if (name.find('/') != std::string::npos) return name;
  const auto path = environment.find("PATH");
  std::string folders = path == environment.end() ? "/usr/local/bin:/usr/bin:/bin" : path->second;
  // Where NixOS and Debian packages put what a service's PATH does not name.
  folders += ":/run/current-system/sw/bin:/opt/teslamate/bin";
  for (std::size_t at = 0; at <= folders.size();) {
    const std::size_t end = std::min(folders.find(':', at), folders.size());
    std::string candidate = folders.substr(at, end - at) + "/" + name;
    if (end > at && ::access(candidate.c_str(), X_OK) == 0) return candidate;
    at = end + 1;
  }
  return {};
}

std::string expression(RpcCall call, std::int64_t id) {
  const std::string number = std::to_string(id);
  switch (call) {
    case RpcCall::close_drive:
      return "TeslaMate.Repo.get!(TeslaMate.Log.Drive, " + number + ") |> TeslaMate.Log.close_drive()";
    case RpcCall::complete_charging_process:
      return "TeslaMate.Repo.get!(TeslaMate.Log.ChargingProcess, " + number +
             ") |> TeslaMate.Log.complete_charging_process()";
  }
  return "";
}

RpcAnswer call(const RpcSettings& settings, RpcCall call, std::int64_t id, const std::stop_token& stop) {
  base::ProcessOptions options;
  options.argv = settings.command;
  options.argv.front() = program_of(settings);
  options.argv.push_back(expression(call, id));
  options.environment = environment_of(settings);
  options.as_user = account(settings.user);
  Deadline deadline(settings.limit, stop);
  options.stop = deadline.token();
  base::ProcessResult result;
  try {
    result = base::run_process(options, most_output);
  } catch (const Error& error) {
    throw Error(ExitCode::service, error.message());
  }
  RpcAnswer answer;
  answer.timed_out = deadline.is_over();
  answer.exit_code = result.exit_code;
  // A command that was asked to end may do so with 0.
  answer.ok = result.exit_code == 0 && !answer.timed_out && !stop.stop_requested();
  answer.said = first_line(result.errors);
  if (answer.said.empty()) answer.said = first_line(result.output);
  if (!answer.ok && !answer.timed_out && !stop.stop_requested() &&
      says_unreachable(result.errors + result.output)) {
    throw_unreachable(settings);
  }
  return answer;
}

}  // namespace tmb::teslamate
