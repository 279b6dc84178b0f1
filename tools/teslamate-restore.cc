// SPDX-License-Identifier: MIT
// teslamate-restore: a snapshot or a dump brought back, or a restore taken back.
#include <memory>
#include <optional>

#include "backup/backup.hh"
#include "base/error.hh"
#include "carried.hh"
#include "cli/run_main.hh"
#include "connection_settings.hh"
#include "file_argument.hh"
#include "hooks.hh"
#include "open_repository.hh"
#include "record_run.hh"

#include "restore/describe.hh"
#include "restore/file.hh"
#include "restore/files_to.hh"
#include "restore/restore.hh"
#include "restore/rows.hh"
#include "scope_option.hh"
#include "service/inhibitor.hh"
#include "service/notify.hh"

namespace {

using namespace tmb;
using base::Error;
using base::ExitCode;

struct Options {
  std::string snapshot;
  bool rollback = false;
  bool abort = false;
  bool drop_kept = false;
  bool allow_incomplete = false;
  bool trust_code = false;
  std::string files_to;
  std::string scope;
  restore::Options restore;
  tools::RowOptions rows;
};

void add_options(CLI::App& app, Options& options) {
  auto* snapshot =
      app.add_option("SNAPSHOT|FILE", options.snapshot,
                     "a snapshot's id, its unique beginning, or: latest; or the path of a dump or .tmb");
  auto* as_database = app.add_option("--as-database", options.restore.as_database,
                                     "load into a new database of this name; the live one is not touched");
  as_database->type_name("NAME");
  auto* in_place =
      app.add_flag("--in-place", options.restore.in_place,
                   "replace the content in one transaction, for roles that may not create databases");
  auto* dry_run = app.add_flag("--dry-run", options.restore.dry_run, "say what would change; touch nothing");
  app.add_flag("--allow-newer", options.restore.allow_newer, "load a schema newer than the live database's");
  app.add_flag("--allow-incomplete", options.allow_incomplete,
               "load what there is of a dump that was cut off; only with --as-database")
      ->needs(as_database);
  app.add_flag("--trust-code", options.trust_code, "load a dump's own functions and triggers too");
  app.add_option("--keep-stopped", options.restore.keep_stopped, "leave this unit down after the restore")
      ->type_name("UNIT");
  app.add_option("--files-to", options.files_to, "bring only the carried files back, into this new folder")
      ->type_name("DIR")
      ->excludes(as_database)
      ->excludes(in_place)
      ->excludes(dry_run);
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
  tools::add_row_options(app, options.rows);
  tools::add_scope_option(app, options.scope, "settings: only what was configured, domain by domain")
      ->excludes(as_database)
      ->excludes(in_place)
      ->excludes(rollback)
      ->excludes(abort)
      ->excludes(drop)
      ->group("Single rows, with TeslaMate running");
}

void take_settings(Options& options, const cli::Context& context) {
  const config::RestoreSettings& said = context.settings.restore;
  restore::Options& out = options.restore;
  out.jobs = context.settings.jobs;
  out.pg_bin_dir = context.settings.database.pg_bin_dir;
  out.no_service = context.no_service;
  out.units = tools::service_units(context.settings);
  out.health_url = said.health_url;
  out.health_timeout = said.health_timeout;
  out.settle = said.settle;
  out.keep_old_days = said.keep_old_days;
  out.encryption_key = config::find_encryption_key(context.settings.database, context.environment);
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
  tools::add_extras(options, context, repository.encrypted());
  return backup::run(options, {database, repository::RepositorySink(repository), clock}, context.reporter,
                     context.stop)
      .manifest.id;
}

restore::Outcome restore_snapshot(const Options& options, const cli::Context& context,
                                  restore::Adapters& adapters) {
  const auto repository = tools::open_repository(context);
  const auto lock = keep_backups_out(repository, options.restore);
  const repository::RepositorySource source(repository.share(), repository.resolve(options.snapshot));
  adapters.take_snapshot = [&] {
    return snapshot_of_present(context, adapters.database, repository, adapters.clock);
  };
  return restore::run(options.restore, source, adapters, context.reporter, context.stop);
}

// A path, or a snapshot of the repository; a name that is both is asked back.
restore::Outcome restore_what_was_named(const Options& options, const cli::Context& context,
                                        restore::Adapters& adapters) {
  if (!tools::is_file_argument(options.snapshot)) return restore_snapshot(options, context, adapters);
  if (options.snapshot == "latest" || repository::is_snapshot_id(options.snapshot)) {
    throw Error(ExitCode::usage,
                "there is a file " + options.snapshot + " here, and it may be a snapshot's name too")
        .with_hint("for the file: ./" + options.snapshot +
                   "; for the snapshot: run the command in another folder");
  }
  restore::FileOptions file;
  file.allow_incomplete = options.allow_incomplete;
  file.trust_code = options.trust_code;
  file.beside = !options.restore.as_database.empty();
  file.pg_bin_dir = options.restore.pg_bin_dir;
  return tools::restore_file(options.snapshot, options.restore, file, context, adapters);
}

ExitCode run(Options& options, cli::Context& context) {
  if (options.snapshot.empty() && !options.rollback && !options.abort && !options.drop_kept) {
    throw Error(ExitCode::usage, "name a snapshot or a file, such as: teslamate-restore latest")
        .with_hint("teslamate-snapshots list shows what there is");
  }
  if (!options.files_to.empty()) return tools::restore_files_to(options.files_to, options.snapshot, context);
  take_settings(options, context);
  if (!options.scope.empty()) {
    if (options.rows.any())
      throw Error(ExitCode::usage, "--scope settings takes no single drives, charges or cars");
    tools::restore_settings(options.snapshot, options.restore, context);
    return ExitCode::ok;
  }
  if (options.rows.any()) {
    if (options.snapshot.empty() || options.restore.in_place || !options.restore.as_database.empty()) {
      throw Error(ExitCode::usage,
                  "--drive, --charge, --car, --since and --until take rows out of one snapshot or "
                  "file into the live database")
          .with_hint("teslamate-restore --drive 9999 latest");
    }
    tools::restore_rows(options.rows, options.snapshot, options.restore, context);
    return ExitCode::ok;
  }
  const tools::Hooks hooks(context, "teslamate-restore");
  options.restore.before_stop = [&] { hooks.before_stop(); };
  options.restore.after_start = [&] { hooks.after_start(); };
  context.reporter.set_status_sink([](std::string_view status) { service::notify_status(status); });
  const postgres::ConnectionSettings database =
      tools::connection_settings(context.settings, context.environment);
  const base::SystemClock clock;
  std::unique_ptr<service::ServiceControl> services;
  if (!options.restore.no_service && options.restore.as_database.empty())
    services = tools::service_control(context.settings);
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
    outcome = restore_what_was_named(options, context, adapters);
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
          "Brings a snapshot or a dump back: loaded and checked beside the live database, then swapped with "
          "it while\n"
          "TeslaMate is down for about a second. The old database is kept.",
      .epilogue =
          "Examples:\n"
          "  teslamate-restore latest\n"
          "  teslamate-restore --dry-run 20261120T021503Z-7f3a\n"
          "  teslamate-restore --as-database look latest\n"
          "  teslamate-restore --dry-run teslamate.bck.gz\n"
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
      [&](cli::Context& context) {
        return tools::with_failure_hook(context, "teslamate-restore", [&] {
          return tools::record_run(context, "restore", !options.restore.dry_run,
                                   [&] { return run(options, context); });
        });
      });
}
