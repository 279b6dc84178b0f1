// SPDX-License-Identifier: MIT
// teslamate-restore: a snapshot or a dump brought back, or a restore taken back.
#include <chrono>
#include <memory>

#include "base/error.hh"
#include "cli/run_main.hh"
#include "connection_settings.hh"
#include "hooks.hh"
#include "open_repository.hh"
#include "record_run.hh"
#include "restore/describe.hh"
#include "restore/files_to.hh"
#include "restore/named.hh"
#include "restore/options.hh"
#include "service/inhibitor.hh"
#include "service/notify.hh"

namespace {

using namespace tmb;
using base::Error;
using base::ExitCode;

ExitCode run(tools::RestoreOptions& options, cli::Context& context) {
  if (options.snapshot.empty() && !options.rollback && !options.abort && !options.drop_kept) {
    throw Error(ExitCode::usage, "name a snapshot or a file, such as: teslamate-restore latest")
        .with_hint("teslamate-snapshots list shows what there is");
  }
  if (!options.files_to.empty()) return tools::restore_files_to(options.files_to, options.snapshot, context);
  tools::take_restore_settings(options, context);
  if (!options.scope.empty()) {
    if (options.rows.any())
      throw Error(ExitCode::usage, "--scope settings takes no single drives, charges or cars");
    tools::restore_settings(options.snapshot, options.restore, tools::file_options(options), context);
    return ExitCode::ok;
  }
  if (options.rows.any()) {
    if (options.snapshot.empty() || options.restore.in_place || !options.restore.as_database.empty()) {
      throw Error(ExitCode::usage,
                  "--drive, --charge, --car, --since and --until take rows out of one snapshot or "
                  "file into the live database")
          .with_hint("teslamate-restore --drive 9999 latest");
    }
    tools::restore_rows(options.rows, options.snapshot, options.restore, tools::file_options(options),
                        context);
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
  service::Inhibitor inhibitor;
  if (context.settings.restore.inhibit_sleep)
    inhibitor = service::inhibit_shutdown("a TeslaMate database is being restored");
  restore::Adapters adapters{database,
                             context.settings.state_dir,
                             clock,
                             services.get(),
                             [&](const std::string& question) { context.confirm(question); },
                             {},
                             [&](const std::string& question) { return context.ask(question); }};
  const auto began = std::chrono::steady_clock::now();
  restore::Outcome outcome;
  if (options.rollback) {
    outcome = restore::roll_back(options.restore, adapters, context.reporter, context.stop);
  } else if (options.abort) {
    outcome = restore::abort_leftovers(options.restore, adapters, context.reporter);
  } else if (options.drop_kept) {
    outcome = restore::drop_kept(options.restore, adapters, context.reporter);
  } else {
    outcome = tools::restore_what_was_named(options, context, adapters);
  }
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  context.document.update(restore::to_json(outcome));
  for (const std::string& line : outcome.lines) context.reporter.result(line);
  return ExitCode::ok;
}

}  // namespace

int main(int argc, char** argv) {
  tools::RestoreOptions options;
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
      argc, argv, info, [&](CLI::App& app) { tools::add_restore_options(app, options); },
      [&](cli::Context& context) {
        return tools::with_failure_hook(context, "teslamate-restore", !options.restore.dry_run, [&] {
          return tools::record_run(context, "restore", !options.restore.dry_run,
                                   [&] { return run(options, context); });
        });
      });
}
