// SPDX-License-Identifier: MIT
#include "snapshots/commands.hh"

#include "base/error.hh"
#include "known_damage.hh"
#include "open_repository.hh"
#include "repository/last_seen.hh"
#include "retention/prune.hh"

namespace tmb::tools::snapshots {

namespace {

class Forget final : public Command {
 public:
  CLI::App* add(CLI::App& app) override {
    CLI::App* command = app.add_subcommand("forget", "remove these snapshots, whatever the rules say");
    command->add_option("SNAPSHOT", names_, "ids or their unique beginnings")->required();
    command->add_flag("--dry-run", dry_run_, "say what would be removed");
    return command;
  }

  base::ExitCode run(cli::Context& context) override {
    const auto repository = open_repository(context);
    std::vector<std::string> ids;
    for (const std::string& name : names_) {
      if (name == "latest") {
        throw base::Error(base::ExitCode::usage,
                          "forget wants ids: \"latest\" is another one after each backup")
            .with_hint("teslamate-snapshots list");
      }
      ids.push_back(repository.resolve(name));
    }
    retention::Confirm confirm;
    if (!context.yes) confirm = [&](const std::string& question) { context.confirm(question); };
    const retention::ForgetOutcome outcome =
        retention::forget(repository, ids, context.settings.state_dir, dry_run_, confirm);
    if (!dry_run_) {
      remember_newest(context, repository, outcome.newest);
      note_removed(context, repository);
    }
    context.document["dry_run"] = dry_run_;
    context.document["removed"] = outcome.removed;
    for (const std::string& id : outcome.removed)
      context.reporter.result((dry_run_ ? "would forget " : "forgot ") + id);
    if (!dry_run_) context.reporter.note("their space is freed by the prunes to come");
    return base::ExitCode::ok;
  }

 private:
  // Else the next backup would take the repository for an older copy of itself.
  static void remember_newest(const cli::Context& context, const repository::Repository& repository,
                              const std::string& newest) {
    try {
      repository::LastSeen seen{repository.id(), 0, newest};
      if (!newest.empty()) seen.sequence = repository.read_manifest(newest).sequence;
      repository::remember(context.settings.state_dir, repository, seen);
    } catch (const base::Error& error) {
      context.reporter.warning("what is left was not noted in the state folder: " + error.message());
    }
  }

  std::vector<std::string> names_;
  bool dry_run_ = false;
};

}  // namespace

std::unique_ptr<Command> make_forget() { return std::make_unique<Forget>(); }

}  // namespace tmb::tools::snapshots
