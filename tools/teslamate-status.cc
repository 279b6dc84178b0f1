// SPDX-License-Identifier: MIT
// teslamate-status: can the owner sleep?
#include "base/error.hh"
#include "cli/run_main.hh"
#include "config/broken_file.hh"
#include "notify/unit_failure.hh"
#include "open_repository.hh"
#include "status/render.hh"

namespace {

using namespace tmb;
using base::ExitCode;

constexpr unsigned readable_mode = 0644;  // by node_exporter and by a web server

struct Options {
  bool check = false;
  std::string html;
  std::string metrics;
  std::string failed_unit;
};

void add_options(CLI::App& app, Options& options) {
  app.add_flag("--check", options.check, "end with 3 when something is due, with 20 when a person is needed");
  app.add_option("--html", options.html, "write a report of one page, with charts")->type_name("FILE");
  app.add_option("--metrics", options.metrics, "write metrics for Prometheus' textfile collector")
      ->type_name("FILE");
  app.add_option("--notify-failure", options.failed_unit,
                 "tell whoever [notify] names that this unit failed, with the end of its journal")
      ->type_name("UNIT");
}

// On a terminal a passphrase may be asked for; a monitor has nobody to ask and needs none.
status::OpenRepository how_to_open(const cli::Context& context) {
  if (!context.on_terminal() && !config::find_repository_key(context.settings.key, context.environment)) {
    return [&context] {
      return repository::Repository::open(context.repository(), [](const std::string& name) -> base::Secret {
        throw base::Error(status::no_key_here, "no key is named for " + name);
      });
    };
  }
  return [&context] { return tools::open_repository(context); };
}

ExitCode run(const Options& options, cli::Context& context) {
  if (!options.failed_unit.empty()) {
    notify::tell_of_failed_unit(options.failed_unit, context.settings.notify, context.environment,
                                context.reporter);
    return ExitCode::ok;
  }
  static_cast<void>(context.repository());  // named at all?
  const base::SystemClock clock;
  const status::Status found =
      status::gather(context.settings, clock, how_to_open(context), status::read_our_timers);
  context.document.update(status::to_json(found));
  for (const std::string& line : status::describe(found)) context.reporter.result(line);
  if (!options.html.empty())
    base::publish_file(options.html, status::to_html(found), base::Overwrite::yes, readable_mode);
  if (!options.metrics.empty())
    base::publish_file(options.metrics, status::to_metrics(found), base::Overwrite::yes, readable_mode);
  if (!options.check || found.level() == status::Level::good) return ExitCode::ok;
  return found.level() == status::Level::warning ? ExitCode::warnings : ExitCode::needs_person;
}

// The settings are broken, and with that all that is scheduled fails: whoever is named is told nevertheless.
void tell_without_settings(const Options& options, const std::optional<base::Path>& config_file,
                           const config::Environment& environment, report::ProgramReporter& reporter) {
  if (options.failed_unit.empty()) return;
  try {
    const config::NotifySettings notify = config::load_notify(config_file, environment);
    notify::tell_of_failed_unit(options.failed_unit, notify, environment, reporter);
  } catch (const base::Error& error) {
    reporter.note(error.message());
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  cli::ProgramInfo info;
  info.name = "teslamate-status";
  info.about = "Says in one screen whether backups, verifications and rehearsals are as the goals want them.";
  info.epilogue =
      "Examples:\n"
      "  teslamate-status\n"
      "  teslamate-status --check --quiet\n"
      "  teslamate-status --metrics /var/lib/prometheus/node-exporter/teslamate-backup.prom\n"
      "Exit codes: 0; with --check 3 when something is due and 20 when a person is needed.";
  info.repository = true;
  info.state = true;
  info.unsaid_state = "nothing was changed";
  info.without_settings = [&options](const auto& file, const auto& environment, auto& reporter) {
    tell_without_settings(options, file, environment, reporter);
  };
  return cli::run_main(
      argc, argv, info, [&](CLI::App& app) { add_options(app, options); },
      [&](cli::Context& context) { return run(options, context); });
}
