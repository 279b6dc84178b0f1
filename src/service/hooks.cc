// SPDX-License-Identifier: MIT
#include "service/hooks.hh"

#include "base/error.hh"

namespace tmb::service {

using base::Error;
using base::ExitCode;

void run_hook(const Hook& hook, const Facts& facts, const std::stop_token& stop) {
  if (hook.argv.empty()) return;
  Command command{hook.argv, hook.timeout, {{"TESLAMATE_HOOK", hook.name}}};
  for (const auto& [name, value] : facts) {
    // An environment ends at a NUL byte.
    command.facts["TESLAMATE_HOOK_" + name] = value.substr(0, value.find('\0'));
  }
  std::string failure;
  try {
    failure = failure_of(run_command(command, stop), command);
  } catch (const Error& error) {
    if (error.code() == ExitCode::interrupted) throw;
    failure = "failed: " + error.message();
  }
  if (!failure.empty()) throw Error(ExitCode::refused, "the hook " + hook.name + " " + failure);
}

void run_hook_after(const Hook& hook, const Facts& facts,
                    const std::function<void(const std::string&)>& warn) {
  try {
    run_hook(hook, facts, {});
  } catch (const Error& error) {
    warn(error.message());
  }
}

}  // namespace tmb::service
