// SPDX-License-Identifier: MIT
// teslamate-verify: is what the repository holds complete and unchanged?
#include <filesystem>

#include "base/error.hh"
#include "cli/run_main.hh"
#include "service/notify.hh"
#include "verify/describe.hh"
#include "verify/verify.hh"

namespace {

using namespace tmb;
using base::Error;
using base::ExitCode;

struct Options {
  std::vector<std::string> what;  // snapshots, or folders of repositories
  bool read_data = false;
};

void add_options(CLI::App& app, Options& options) {
  app.add_option("SNAPSHOT", options.what,
                 "snapshots, or folders of repositories (default: the whole repository)");
  app.add_flag("--read-data", options.read_data, "read, decode and hash every byte");
}

// One repository: its findings are shown and put into `document`. Returns the code that they deserve.
ExitCode verify_one(const base::Path& path, const verify::Options& options,
                    const std::vector<std::string>& names, cli::Context& context, report::Json& document) {
  const auto repository = repository::Repository::open(path);
  verify::Options chosen = options;
  for (const std::string& name : names) chosen.snapshots.push_back(repository.resolve(name));
  const verify::Report report = verify::verify(repository, chosen, context.reporter, context.stop);
  for (const std::string& line : verify::describe(report, chosen)) context.reporter.result(line);
  for (const std::string& stray : report.strays) {
    context.reporter.note("not part of the repository: " + (path / stray).string());
  }
  if (report.orphans > 0) {
    context.reporter.note(report::counted(report.orphans, "object", "objects") + " in no snapshot (" +
                          report::byte_size(report.orphan_bytes) +
                          "), left by a backup that runs or was cut off");
  }
  document = verify::to_json(report, chosen);
  document["repository"] = path.string();
  document["repository_id"] = repository.id();
  ExitCode code = ExitCode::ok;
  for (const verify::Damage& damage : report.damage) {
    code = code == ExitCode::ok ? damage.code : base::more_severe(code, damage.code);
  }
  return code;
}

ExitCode run(const Options& options, cli::Context& context) {
  context.reporter.set_status_sink([](std::string_view status) { service::notify_status(status); });
  std::vector<base::Path> repositories;
  std::vector<std::string> names;
  for (const std::string& what : options.what) {
    if (what.find('/') != std::string::npos || std::filesystem::is_directory(what)) {
      repositories.emplace_back(what);
    } else {
      names.push_back(what);
    }
  }
  if (repositories.empty()) repositories.push_back(context.repository());
  if (!names.empty() && repositories.size() > 1) {
    throw Error(ExitCode::usage, "snapshots can be named of one repository only");
  }
  verify::Options how;
  how.read_data = options.read_data;
  how.jobs = context.settings.jobs;
  report::Json& documents = context.document["repositories"] = report::Json::array();
  ExitCode code = ExitCode::ok;
  std::string damaged;
  for (const base::Path& path : repositories) {
    documents.emplace_back();
    const ExitCode found = verify_one(path, how, names, context, documents.back());
    if (found == ExitCode::ok) continue;
    code = code == ExitCode::ok ? found : base::more_severe(code, found);
    damaged += (damaged.empty() ? "" : ", ") + base::printable(path.string());
  }
  if (code == ExitCode::ok) return code;
  throw Error(code, code == ExitCode::damaged ? "there is damage in " + damaged
                                              : "not everything could be read in " + damaged)
      .with_hint(
          "make a new backup: it writes damaged objects again where the database still has their rows");
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  cli::ProgramInfo info;
  info.name = "teslamate-verify";
  info.about = "Checks that the snapshots of a repository are complete and unchanged. Changes nothing.";
  info.epilogue =
      "Exit codes: 0 intact, 10 no repository there, 13 damaged, 17 unreadable, 21 no such snapshot.";
  info.repository = true;
  info.jobs = true;
  info.unsaid_state = "nothing was changed";
  return cli::run_main(
      argc, argv, info, [&](CLI::App& app) { add_options(app, options); },
      [&](cli::Context& context) { return run(options, context); });
}
