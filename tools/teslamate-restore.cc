// SPDX-License-Identifier: MIT
// teslamate-restore: a snapshot brought back, or a restore taken back.
#include <memory>
#include <optional>

#include "backup/backup.hh"
#include "base/error.hh"
#include "cli/run_main.hh"
#include "connection_settings.hh"
#include "restore/describe.hh"
#include "restore/restore.hh"
#include "service/inhibitor.hh"
#include "service/notify.hh"
#include "service/systemd_control.hh"

namespace {

using namespace tmb;
using base::Error;
using base::ExitCode;

struct Options {
  std::string snapshot;
  bool rollback = false;
  bool abort = false;
  bool drop_kept = false;
  restore::Options restore;
};

void add_options(CLI::App& app, Options& options) {
  auto* snapshot =
      app.add_option("SNAPSHOT", options.snapshot, "a snapshot's id, its unique beginning, or: latest");
  auto* as_database = app.add_option("--as-database", options.restore.as_database,
                                     "load into a new database of this name; the live one is not touched");
  as_database->type_name("NAME");
  auto* in_place =
      app.add_flag("--in-place", options.restore.in_place,
                   "replace the content in one transaction, for roles that may not create databases");
  auto* dry_run = app.add_flag("--dry-run", options.restore.dry_run, "say what would change; touch nothing");
  app.add_flag("--allow-newer", options.restore.allow_newer, "load a schema newer than the live database's");
  app.add_option("--keep-stopped", options.restore.keep_stopped, "leave this unit down after the restore")
      ->type_name("UNIT");
  auto* rollback = app.add_flag("--rollback", options.rollback, "swap the newest kept database back");
  auto* abort =
      app.add_flag("--abort", options.abort, "finish or undo what an interrupted restore left behind");
  auto* drop =
      app.add_flag("--drop-kept", options.drop_kept, "drop kept databases that are older than the keep time");
  rollback->excludes(snapshot)->excludes(as_database)->excludes(in_place)->excludes(dry_run);
  abort->excludes(snapshot)->excludes(as_database)->excludes(in_place)->excludes(dry_run)->excludes(rollback);
  drop->excludes(snapshot)
      ->excludes(as_database)
      ->excludes(in_place)
      ->excludes(dry_run)
      ->excludes(rollback)
      ->excludes(abort);
  as_database->excludes(in_place);
}

void take_settings(Options& options, const cli::Context& context) {
  const config::RestoreSettings& said = context.settings.restore;
  restore::Options& out = options.restore;
  out.jobs = context.settings.jobs;
  out.pg_bin_dir = context.settings.database.pg_bin_dir;
  out.no_service = context.no_service;
  out.units = said.units;
  out.health_url = said.health_url;
  out.health_timeout = said.health_timeout;
  out.settle = said.settle;
  out.keep_old_days = said.keep_old_days;
}

// A backup that begins now would read what is about to be replaced: it is told to come back later.
std::optional<base::FileLock> keep_backups_out(const repository::Repository& repository,
                                               const restore::Options& options) {
  if (options.dry_run || options.in_place) return std::nullopt;
  try {
    return repository.lock_for_writing();
  } catch (const Error& error) {
    if (error.code() == ExitCode::locked) throw;
    return std::nullopt;  // a repository that we may only read
  }
}

std::string snapshot_of_present(const cli::Context& context, const postgres::ConnectionSettings& database,
                                const repository::Repository& repository, const base::Clock& clock) {
  backup::Options options;
  options.jobs = context.settings.jobs;
  options.tag = "before-restore";
  options.tool_version = cli::version();
  options.pg_bin_dir = context.settings.database.pg_bin_dir;
  return backup::run(options, {database, repository, clock}, context.reporter, context.stop).manifest.id;
}

restore::Outcome restore_snapshot(const Options& options, const cli::Context& context,
                                  restore::Adapters& adapters) {
  const auto repository = repository::Repository::open(context.repository());
  const auto lock = keep_backups_out(repository, options.restore);
  const repository::RepositorySource source(repository::Repository::open(context.repository()),
                                            repository.resolve(options.snapshot));
  adapters.take_snapshot = [&] {
    return snapshot_of_present(context, adapters.database, repository, adapters.clock);
  };
  return restore::run(options.restore, source, adapters, context.reporter, context.stop);
}

ExitCode run(Options& options, cli::Context& context) {
  if (options.snapshot.empty() && !options.rollback && !options.abort && !options.drop_kept) {
    throw Error(ExitCode::usage, "name a snapshot, such as: teslamate-restore latest")
        .with_hint("teslamate-snapshots list shows what there is");
  }
  take_settings(options, context);
  context.reporter.set_status_sink([](std::string_view status) { service::notify_status(status); });
  const postgres::ConnectionSettings database =
      tools::connection_settings(context.settings, context.environment);
  const base::SystemClock clock;
  std::unique_ptr<service::ServiceControl> services;
  if (!options.restore.no_service && options.restore.as_database.empty())
    services = std::make_unique<service::SystemdControl>();
  const service::Inhibitor inhibitor = service::inhibit_shutdown("a TeslaMate database is being restored");
  restore::Adapters adapters{database,
                             context.settings.state_dir,
                             clock,
                             services.get(),
                             [&](const std::string& question) { context.confirm(question); },
                             {}};
  const auto began = std::chrono::steady_clock::now();
  restore::Outcome outcome;
  if (options.rollback) {
    outcome = restore::roll_back(options.restore, adapters, context.reporter, context.stop);
  } else if (options.abort) {
    outcome = restore::abort_leftovers(options.restore, adapters, context.reporter);
  } else if (options.drop_kept) {
    outcome = restore::drop_kept(options.restore, adapters, context.reporter);
  } else {
    outcome = restore_snapshot(options, context, adapters);
  }
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  context.document.update(restore::to_json(outcome));
  for (const std::string& line : outcome.lines) context.reporter.result(line);
  return ExitCode::ok;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  const cli::ProgramInfo info{
      .name = "teslamate-restore",
      .about =
          "Brings a snapshot back: loaded and checked beside the live database, then swapped with it while\n"
          "TeslaMate is down for about a second. The old database is kept.",
      .epilogue =
          "Examples:\n"
          "  teslamate-restore latest\n"
          "  teslamate-restore --dry-run 20261120T021503Z-7f3a\n"
          "  teslamate-restore --as-database look latest\n"
          "  teslamate-restore --rollback\n",
      .database = true,
      .repository = true,
      .jobs = true,
      .state = true,
      .services = true,
      .unsaid_state = "nothing was changed",
  };
  return cli::run_main(
      argc, argv, info, [&](CLI::App& app) { add_options(app, options); },
      [&](cli::Context& context) { return run(options, context); });
}
