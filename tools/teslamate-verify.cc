// SPDX-License-Identifier: MIT
// teslamate-verify: is what a repository or a file holds complete and unchanged?
#include "base/error.hh"
#include "cli/run_main.hh"
#include "record_run.hh"
#include "service/notify.hh"
#include "status/rotation.hh"
#include "verify/arguments.hh"
#include "verify/file.hh"
#include "verify/live.hh"
#include "verify/repository.hh"
#include "verify/verify.hh"

namespace {

using namespace tmb;
using base::Error;
using base::ExitCode;

struct Options {
  std::vector<std::string> what;  // snapshots, or folders of repositories
  bool read_data = false;
  bool rotate = false;
  bool live = false;
};

void add_options(CLI::App& app, Options& options) {
  app.add_option("SNAPSHOT|FILE", options.what,
                 "snapshots, folders of repositories, dumps or .tmb files (default: the whole repository)");
  auto* all = app.add_flag("--read-data", options.read_data, "read, decode and hash every byte");
  app.add_flag("--rotate", options.rotate,
               "read a part, another one in each run: everything within [goals] read_all_within")
      ->excludes(all);
  app.add_flag("--live", options.live, "hold the newest snapshot against the live database, row by row, too");
}

// How long it is ago that the last byte of the repository had been read, by full and by partial readings.
void tell_age_of_reading(const status::Rotation& rotation, base::Time now, cli::Context& context) {
  const auto all_read = rotation.all_read(now);
  context.document["all_read_since"] = all_read ? report::Json(base::iso_utc(*all_read)) : report::Json();
  context.reporter.result(all_read
                              ? "every byte of the repository was read within the last " +
                                    report::duration(std::chrono::duration<double>(now - *all_read).count())
                              : "not every byte of the repository has been read yet");
}

ExitCode run(const Options& options, cli::Context& context) {
  context.reporter.set_status_sink([](std::string_view status) { service::notify_status(status); });
  auto [repositories, names, files] = tools::sort_arguments(options.what);
  const bool whole = options.what.empty();  // of the configured repository, which the rotation is about
  if ((options.live || options.rotate) && !whole)
    throw Error(ExitCode::usage, std::string(options.live ? "--live" : "--rotate") +
                                     " is about the whole repository of the settings: name nothing else");
  for (const std::string& file : files) tools::verify_file(file, context);
  if (!files.empty() && repositories.empty() && names.empty()) return ExitCode::ok;
  if (repositories.empty()) repositories.push_back(context.repository());
  if (!names.empty() && repositories.size() > 1) {
    throw Error(ExitCode::usage, "snapshots can be named of one repository only");
  }
  verify::Options how;
  how.read_data = options.read_data;
  how.jobs = context.settings.jobs;
  const base::Path& state = context.settings.state_dir;
  const base::SystemClock clock;
  const base::Time began = clock.now();
  auto rotation = status::Rotation::read(state, repositories.front());
  if (options.rotate) {
    how.parts = rotation.due(began, context.settings.goals.read_all_within);
    context.document["rotation"] = how.parts.size();
  }
  report::Json& documents = context.document["repositories"] = report::Json::array();
  ExitCode code = ExitCode::ok;
  std::string damaged;
  std::string hint;
  for (const base::Path& path : repositories) {
    documents.emplace_back();
    const tools::Findings found = tools::verify_repository(path, how, names, context, documents.back());
    if (found.code == ExitCode::ok) continue;
    code = code == ExitCode::ok ? found.code : base::more_severe(code, found.code);
    if (hint.empty()) hint = found.hint;
    damaged += (damaged.empty() ? "" : ", ") + base::printable(path.string());
  }
  if (code == ExitCode::ok) {
    if (options.rotate) rotation.mark(how.parts, began);
    if (options.read_data && whole) rotation.mark_all(began);
    if (whole) {
      rotation.write(state, repositories.front());
      tell_age_of_reading(rotation, clock.now(), context);
    }
    if (options.live) tools::verify_live(context);
    return code;
  }
  throw Error(code, code == ExitCode::damaged ? "there is damage in " + damaged
                                              : "not everything could be read in " + damaged)
      .with_hint(hint);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  cli::ProgramInfo info;
  info.name = "teslamate-verify";
  info.about =
      "Checks that the snapshots of a repository, or a file, are complete and unchanged. Changes nothing.";
  info.epilogue =
      "Exit codes: 0 intact, 10 no repository there, 13 damaged, 17 unreadable, 21 no such snapshot,\n"
      "22 the live database cannot be compared.";
  info.database = true;
  info.repository = true;
  info.jobs = true;
  info.state = true;
  info.unsaid_state = "nothing was changed";
  return cli::run_main(
      argc, argv, info, [&](CLI::App& app) { add_options(app, options); },
      [&](cli::Context& context) {
        return tools::record_run(context, "verify", options.what.empty(),
                                 [&] { return run(options, context); });
      });
}
