// SPDX-License-Identifier: MIT
#include "backup/backup.hh"
#include "backup/to_file.hh"
#include "backup/to_json.hh"
#include "base/error.hh"
#include "carried.hh"
#include "cli/run_main.hh"
#include "connection_settings.hh"
#include "hooks.hh"
#include "known_damage.hh"
#include "open_repository.hh"
#include "record_run.hh"
#include "repository/last_seen.hh"
#include "scope_option.hh"

namespace {

using namespace tmb;

struct Options {
  backup::Options backup;
  repository::OpenOptions open;
  tools::FileTarget file;
  std::string scope;
};

void add_options(CLI::App& app, Options& options) {
  auto* file = app.add_option("FILE", options.file.destination.file,
                              "Write one file instead: NAME.tmb, NAME.sql or NAME.bck, with .gz or .zst\n"
                              "behind it, or - for stdout");
  auto* force = app.add_flag("--force", options.file.destination.force, "Replace FILE if it is there");
  auto* format = app.add_option("--format", options.file.format,
                                "The kind of FILE whatever its name: tmb, sql, sql.gz, sql.zst");
  format->type_name("KIND")->needs(file);
  tools::add_scope_option(app, options.scope,
                          "settings: write only what was configured, never encrypted; FILE is a .tmb")
      ->needs(file);
  force->needs(file);
  app.add_flag("--full", options.backup.full, "Read every row, whatever the last snapshot says");
  app.add_option("--tag", options.backup.tag, "A word to find the snapshot by")->type_name("TEXT");
  app.add_flag("--scheduled", options.backup.scheduled,
               "The timer takes it: retention may remove it, as it never does with others");
  app.add_flag("--init", options.open.init, "Make the repository's folder if it is missing");
  app.add_flag("--dry-run", options.backup.dry_run, "Say what would be read; write nothing")->excludes(file);
}

base::ExitCode run(Options& options, cli::Context& context) {
  if (base::printable(options.backup.tag) != options.backup.tag) {
    throw base::Error(base::ExitCode::usage,
                      "--tag is not plain text: " + base::printable(options.backup.tag));
  }
  options.backup.settings_only = !options.scope.empty();
  options.backup.jobs = context.settings.jobs;
  options.backup.tool_version = cli::version();
  options.backup.pg_bin_dir = context.settings.database.pg_bin_dir;
  const bool dry_run = options.backup.dry_run;
  const tools::Hooks hooks(context, "teslamate-backup");
  if (!dry_run) hooks.before_backup();
  if (options.file.wanted()) {
    tools::back_up_to_file(options.file, options.backup, context);
    hooks.after_backup();
    return base::ExitCode::ok;
  }
  const base::Path& state = context.settings.state_dir;
  // A dry run writes nothing, so it does not make a repository either.
  const repository::Opened opened = dry_run ? repository::Opened{tools::open_repository(context), false}
                                            : tools::open_for_backup(context, options.open);
  // Nothing is taken over from snapshots that are not sealed with today's key yet.
  if (!opened.repository.format().rekey_from.empty()) options.backup.full = true;
  tools::add_extras(options.backup, context, opened.repository.encrypted());
  const postgres::ConnectionSettings database =
      tools::connection_settings(context.settings, context.environment);
  const base::SystemClock clock;
  const backup::Outcome outcome = tools::back_up(options.backup, database, opened.repository, clock, context);
  if (!dry_run) {
    const repository::Manifest& m = outcome.manifest;
    try {
      repository::remember(state, opened.repository, {opened.repository.id(), m.sequence, m.id});
    } catch (const base::Error& error) {
      // The snapshot is there: that it could not be noted down elsewhere must not read as a failed backup.
      context.reporter.warning("the snapshot was not noted in the state folder: " + error.message());
    }
  }
  context.document.update(tools::to_json(outcome));
  for (const std::string& line : backup::describe(outcome)) context.reporter.result(line);
  if (!dry_run) hooks.after_backup();
  return base::ExitCode::ok;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  const cli::ProgramInfo info{
      .name = "teslamate-backup",
      .about = "Takes a snapshot of TeslaMate's database into a repository, reading only what changed.",
      .epilogue =
          "Examples:\n"
          "  teslamate-backup -r /var/lib/teslamate-backup/repository\n"
          "  teslamate-backup -h /run/postgresql -U teslamate --tag before-upgrade\n"
          "  teslamate-backup teslamate.sql.gz\n",
      .database = true,
      .repository = true,
      .jobs = true,
      .state = true,
      .services = false,
      .unsaid_state = "the database was not changed; no snapshot was added",
  };
  return cli::run_main(
      argc, argv, info, [&](CLI::App& app) { add_options(app, options); },
      [&](cli::Context& context) {
        return tools::with_failure_hook(context, "teslamate-backup", !options.backup.dry_run, [&] {
          return tools::record_run(context, "backup", !options.backup.dry_run && !options.file.wanted(),
                                   [&] { return run(options, context); });
        });
      });
}
