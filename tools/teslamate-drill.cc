// SPDX-License-Identifier: MIT
// teslamate-drill: the restore, rehearsed.
#include <unistd.h>

#include "base/error.hh"
#include "cli/run_main.hh"
#include "connection_settings.hh"
#include "drill/cluster.hh"
#include "drill/drill.hh"
#include "drill/input.hh"
#include "file_argument.hh"
#include "record_run.hh"
#include "service/notify.hh"

namespace {

using namespace tmb;
using base::Error;
using base::ExitCode;

struct Options {
  std::string snapshot = "latest";
  bool cluster = false;
  bool trust_code = false;
  std::string cache;
};

void add_options(CLI::App& app, Options& options) {
  app.add_option("SNAPSHOT|FILE", options.snapshot,
                 "a snapshot's id, its beginning, or latest (the default); or the path of a dump or .tmb");
  app.add_flag("--cluster", options.cluster,
               "rehearse on a PostgreSQL server of its own, made for this and removed");
  app.add_option("--cache-dir", options.cache,
                 "folder for that server (default: $CACHE_DIRECTORY or /var/cache)")
      ->type_name("DIR");
  app.add_flag("--trust-code", options.trust_code, "load a dump's own functions and triggers too");
}

base::Path cache_folder(const Options& options, const cli::Context& context) {
  if (!options.cache.empty()) return options.cache;
  const auto said = context.environment.find("CACHE_DIRECTORY");
  if (said != context.environment.end() && !said->second.empty())
    return said->second.substr(0, said->second.find(':'));
  return "/var/cache/teslamate-backup";
}

// PostgreSQL refuses to run as root.
std::optional<base::OsUser> server_account() {
  if (::geteuid() != 0) return std::nullopt;
  auto account = base::find_os_user("postgres");
  if (account) return account;
  throw Error(ExitCode::unsupported,
              "no server can be started as root, and this system has no account postgres")
      .with_hint("run it as another user");
}

drill::Outcome rehearse(const Options& options, cli::Context& context) {
  const tools::DrillInput opened = tools::open_drill_input(options.snapshot, options.trust_code, context);
  const base::SystemClock clock;
  const drill::Options how{context.settings.jobs, context.settings.database.pg_bin_dir};
  const base::Secret key = config::find_encryption_key(context.settings.database, context.environment);
  if (options.cluster) {
    const drill::ThrowAwayCluster server(cache_folder(options, context),
                                         tools::look_into(options.snapshot, opened, context), how.pg_bin_dir,
                                         server_account(), context.stop);
    drill::Outcome out = drill::run(how, *opened.input, {server.settings(), server.state_dir(), clock, key},
                                    context.reporter, context.stop);
    out.cluster = true;
    return out;
  }
  base::make_directory(context.settings.state_dir);
  const postgres::ConnectionSettings server =
      tools::connection_settings(context.settings, context.environment);
  return drill::run(how, *opened.input, {server, context.settings.state_dir / "drill", clock, key},
                    context.reporter, context.stop);
}

ExitCode run(const Options& options, cli::Context& context) {
  context.reporter.set_status_sink([](std::string_view status) { service::notify_status(status); });
  const drill::Goals goals{static_cast<double>(context.settings.goals.recovery_point().count()),
                           static_cast<double>(context.settings.goals.recovery_time().count())};
  const drill::Outcome outcome = rehearse(options, context);
  context.document.update(drill::to_json(outcome, goals));
  for (const std::string& line : drill::describe(outcome, goals)) context.reporter.result(line);
  if (drill::misses(outcome.recovery_seconds, goals.rto_seconds))
    context.reporter.warning("the recovery took longer than the goal, [goals] rto");
  if (options.snapshot == "latest" && drill::misses(outcome.recovery_point_seconds, goals.rpo_seconds))
    context.reporter.warning("the newest snapshot is older than the goal, [goals] rpo");
  return ExitCode::ok;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  cli::ProgramInfo info;
  info.name = "teslamate-drill";
  info.about =
      "Restores a snapshot or a file into a throw-away database, looks at it as its users would, says how "
      "long a\n"
      "recovery takes, and removes it. The live database is not touched.";
  info.epilogue =
      "Exit codes: 0 it comes back, 3 it does but a goal is missed, 10 no repository, 11 another drill "
      "runs,\n"
      "13 damaged, 16 refused by the database.";
  info.database = true;
  info.repository = true;
  info.jobs = true;
  info.state = true;
  info.unsaid_state = "the live database was not touched";
  return cli::run_main(
      argc, argv, info, [&](CLI::App& app) { add_options(app, options); },
      [&](cli::Context& context) {
        // That a file comes back says nothing of the repository, whose status lives on the other kind.
        const char* kind = tools::is_file_argument(options.snapshot) ? "drill-file" : "drill";
        return tools::record_run(context, kind, true, [&] { return run(options, context); });
      });
}
