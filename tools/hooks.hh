// SPDX-License-Identifier: MIT
// The owner's hooks around a run, and what stops and starts TeslaMate: from settings to what service/ does.
#pragma once

#include <memory>

#include "base/error.hh"
#include "cli/run_main.hh"
#include "service/command_control.hh"
#include "service/hooks.hh"
#include "service/systemd_control.hh"

namespace tmb::tools {

inline std::unique_ptr<service::ServiceControl> service_control(const config::Settings& settings) {
  const config::ServiceCommandSettings& said = settings.restore.commands;
  if (said.stop.empty()) return std::make_unique<service::SystemdControl>();
  return std::make_unique<service::CommandControl>(
      service::ServiceCommands{said.stop, said.start, said.status, said.timeout});
}

// The names to give to that control.
inline std::vector<std::string> service_units(const config::Settings& settings) {
  if (settings.restore.commands.stop.empty()) return settings.restore.units;
  return {service::commanded_unit};
}

class Hooks {
 public:
  Hooks(cli::Context& context, std::string program) : context_(&context), program_(std::move(program)) {}

  void before_backup() const { before("before_backup", said().before_backup); }
  void after_backup() const { after("after_backup", said().after_backup); }
  void before_stop() const { before("before_stop", said().before_stop); }
  void after_start() const { after("after_start", said().after_start); }
  void on_failure(const base::Error& error) const {
    service::Facts facts = this->facts();
    facts["EXIT_CODE"] = std::to_string(static_cast<int>(error.code()));
    facts["MESSAGE"] = error.message();
    facts["STATE"] = error.state();
    call_after({"on_failure", said().on_failure, said().timeout}, facts);
  }

 private:
  const config::HookSettings& said() const { return context_->settings.hooks; }

  void before(const char* name, const config::CommandLine& argv) const {
    service::run_hook({name, argv, said().timeout}, facts(), context_->stop);
  }
  void after(const char* name, const config::CommandLine& argv) const {
    call_after({name, argv, said().timeout}, facts());
  }
  void call_after(const service::Hook& hook, const service::Facts& facts) const {
    service::run_hook_after(hook, facts, [this](const std::string& why) { context_->reporter.warning(why); });
  }

  // What is known by now: the settings, and what the document of --json says already.
  service::Facts facts() const {
    const config::Settings& s = context_->settings;
    const std::string database =
        s.database.name.empty() ? std::string(config::default_database) : s.database.name;
    service::Facts out{{"PROGRAM", program_}, {"REPOSITORY", s.repository.string()}, {"DATABASE", database}};
    for (const char* name : {"snapshot", "rows", "seconds", "database", "operation"}) {
      const auto found = context_->document.find(name);
      if (found == context_->document.end() || found->is_null() || found->is_structured()) continue;
      std::string key = name;
      for (char& c : key) c = static_cast<char>(c - 'a' + 'A');
      out[key] = found->is_string() ? found->get<std::string>() : found->dump();
    }
    return out;
  }

  cli::Context* context_;
  std::string program_;
};

// `run`, with the hook on_failure behind it, unless `wanted` is false: a dry run, which calls no hook. What a
// hook itself refused is a failure too; that another run is at work is none, nor is a slip of the keyboard.
template <typename RunProgram>
base::ExitCode with_failure_hook(cli::Context& context, const std::string& program, bool wanted,
                                 const RunProgram& run) {
  try {
    return run();
  } catch (const base::Error& error) {
    const bool failure = error.code() != base::ExitCode::locked && error.code() != base::ExitCode::usage;
    if (wanted && failure) Hooks(context, program).on_failure(error);
    throw;
  }
}

}  // namespace tmb::tools
