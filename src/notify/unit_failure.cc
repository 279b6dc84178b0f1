// SPDX-License-Identifier: MIT
#include "notify/unit_failure.hh"

#include <algorithm>
#include <cctype>

#include "base/error.hh"
#include "base/process.hh"

namespace tmb::notify {

using base::Error;
using base::ExitCode;

namespace {

constexpr std::size_t most_output = std::size_t{1} << 20U;

bool is_unit_name(const std::string& name) {
  const auto allowed = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view(":-_.\\@").find(c) != std::string_view::npos;
  };
  return !name.empty() && name.size() <= 255 && name.front() != '-' && std::ranges::all_of(name, allowed);
}

// Its last lines; why not, when they cannot be had.
std::string journal_of(const std::string& unit, const config::Environment& environment) {
  base::ProcessOptions options;
  const auto path = environment.find("PATH");
  options.environment = {"LC_ALL=C.UTF-8",
                         "PATH=" + (path == environment.end() ? "/usr/bin:/bin" : path->second)};
  std::string error = "journalctl was not found";
  for (const char* program :
       {"/run/current-system/sw/bin/journalctl", "/usr/bin/journalctl", "/bin/journalctl"}) {
    std::error_code ignored;
    if (!std::filesystem::exists(program, ignored)) continue;
    options.argv = {program, "--no-pager", "-n", "50", "-o", "short-iso", "-u", unit};
    try {
      const base::ProcessResult result = base::run_process(options, most_output);
      if (result.exit_code == 0) return result.output;
      error = result.errors;
    } catch (const Error& why) {
      error = why.message();
    }
    break;
  }
  return "(its journal cannot be read: " + error + ")";
}

}  // namespace

void tell_of_failed_unit(const std::string& unit, const config::NotifySettings& settings,
                         const config::Environment& environment, report::Reporter& reporter) {
  if (!is_unit_name(unit))
    throw Error(ExitCode::usage, "'" + base::printable(unit) + "' is not the name of a unit");
  const Notifier notifier(settings, environment, reporter);
  if (!notifier.tells_anybody()) {
    reporter.note("nobody is told that " + unit +
                  " failed: [notify] of the settings file names no command, webhook, ntfy or healthchecks");
    return;
  }
  const std::size_t untold = notifier.send(
      {Event::failure, unit, unit + " failed", journal_of(unit, environment), report::Json::object()});
  if (untold > 0) throw Error(ExitCode::local_io, "not everybody could be told that " + unit + " failed");
  reporter.result("told that " + unit + " failed");
}

}  // namespace tmb::notify
