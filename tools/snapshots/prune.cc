// SPDX-License-Identifier: MIT
#include "snapshots/commands.hh"

#include "known_damage.hh"
#include "open_repository.hh"
#include "record_run.hh"
#include "retention/describe.hh"
#include "retention/prune.hh"

namespace tmb::tools::snapshots {

namespace {

retention::Policy policy_of(const config::RetentionSettings& said) {
  return {said.keep_last, said.hourly, said.daily,  said.weekly,
          said.monthly,   said.yearly, said.within, said.minimum};
}

class Prune final : public Command {
 public:
  CLI::App* add(CLI::App& app) override {
    CLI::App* command = app.add_subcommand("prune", "remove the snapshots that no rule of [retention] keeps");
    command->add_flag("--dry-run", options_.dry_run,
                      "print a calendar of what stays and why; remove nothing");
    command->add_flag("--all", all_, "with --dry-run: name also what goes");
    command->add_flag("--now", options_.now,
                      "remove unused objects at once, not in a later run: for a disk that is full");
    return command;
  }

  base::ExitCode run(cli::Context& context) override {
    return record_run(context, "prune", !options_.dry_run, [&] { return prune(context); });
  }

 private:
  base::ExitCode prune(cli::Context& context) {
    const auto repository = open_repository(context);
    const base::SystemClock clock;
    options_.policy = policy_of(context.settings.retention);
    options_.grace = context.settings.retention.grace;
    options_.state_dir = context.settings.state_dir;
    retention::Confirm confirm;
    if (!context.yes) confirm = [&](const std::string& question) { context.confirm(question); };
    const retention::PruneOutcome outcome =
        retention::prune(repository, options_, clock, confirm, context.reporter, context.stop);
    if (!outcome.dry_run && !outcome.removed.empty()) note_removed(context, repository);
    context.document["repository"] = repository.path().string();
    context.document.update(retention::to_json(outcome));
    if (outcome.dry_run) context.reporter.result("rules: " + describe(options_.policy, clock.now()));
    for (const std::string& line : retention::describe(outcome, all_)) context.reporter.result(line);
    return base::ExitCode::ok;
  }

  retention::PruneOptions options_;
  bool all_ = false;
};

}  // namespace

std::unique_ptr<Command> make_prune() { return std::make_unique<Prune>(); }

}  // namespace tmb::tools::snapshots
