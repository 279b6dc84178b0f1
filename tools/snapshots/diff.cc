// SPDX-License-Identifier: MIT
#include "snapshots/commands.hh"

#include <filesystem>

#include "archive/tmb.hh"
#include "backup/backup.hh"
#include "base/error.hh"
#include "base/output_file.hh"
#include "connection_settings.hh"
#include "diff/diff.hh"
#include "diff/overlay.hh"
#include "open_tmb.hh"
#include "repository/source.hh"

namespace tmb::tools::snapshots {

using base::Error;
using base::ExitCode;

namespace {

bool is_file(const std::string& name) {
  return name.find('/') != std::string::npos || name.find(".tmb") != std::string::npos;
}

class Diff final : public Command {
 public:
  CLI::App* add(CLI::App& app) override {
    CLI::App* command =
        app.add_subcommand("diff", "what was added, changed and removed between two states of the database");
    command->add_option("A", before_, "a snapshot, or a .tmb")->required();
    command->add_option("B", after_, "another one, or: live, the database as it is now (the default)");
    return command;
  }

  ExitCode run(cli::Context& context) override {
    const diff::Report report = compare(context);
    context.document.update(diff::to_json(report));
    for (const std::string& line : diff::describe(report)) context.reporter.result(line);
    return ExitCode::ok;
  }

 private:
  diff::Report compare(cli::Context& context) const {
    if (after_ == "live") return compare_with_live(context);
    std::optional<repository::Repository> repository;
    const auto before = open(before_, repository, context);
    const auto after = open(after_, repository, context);
    return diff::compare(*before, *after, context.reporter, context.stop);
  }

  static std::unique_ptr<repository::BackupSource> open(const std::string& name,
                                                        std::optional<repository::Repository>& repository,
                                                        cli::Context& context) {
    if (is_file(name)) {
      auto source = open_tmb(context, name);
      if (!source->manifest().scope.empty())
        throw Error(ExitCode::refused, source->describe() + " holds the settings only: it cannot be compared")
            .with_hint("teslamate-restore --scope settings --dry-run " + base::printable(name));
      return source;
    }
    if (!repository) repository.emplace(open_repository(context));
    return std::make_unique<repository::RepositorySource>(repository->share(), repository->resolve(name));
  }

  diff::Report compare_with_live(cli::Context& context) const {
    if (is_file(before_)) {
      throw Error(ExitCode::usage, "the live database can be compared with a snapshot of the repository only")
          .with_hint("teslamate-snapshots import " + base::printable(before_));
    }
    const repository::Repository repository = open_repository(context);
    const repository::RepositorySource before(repository.share(), repository.resolve(before_));
    const diff::Overlay live(repository, before.manifest(),
                             base::scratch_file(std::filesystem::temp_directory_path()));
    backup::Options options;
    options.jobs = context.settings.jobs;
    options.tool_version = cli::version();
    options.pg_bin_dir = context.settings.database.pg_bin_dir;
    const base::SystemClock clock;
    const postgres::ConnectionSettings database = connection_settings(context.settings, context.environment);
    backup::run(options, {database, live, clock}, context.reporter, context.stop);
    return diff::compare(before, live, context.reporter, context.stop);
  }

  std::string before_;
  std::string after_ = "live";
};

}  // namespace

std::unique_ptr<Command> make_diff() { return std::make_unique<Diff>(); }

}  // namespace tmb::tools::snapshots
