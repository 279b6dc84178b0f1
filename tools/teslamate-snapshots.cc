// SPDX-License-Identifier: MIT
// teslamate-snapshots: what is in the repository.
#include <algorithm>

#include "base/error.hh"
#include "cli/run_main.hh"
#include "verify/describe.hh"
#include "verify/usage.hh"

namespace {

using namespace tmb;
using base::Error;
using base::ExitCode;

struct Options {
  bool show = false;
  std::string snapshot = "latest";
};

void add_options(CLI::App& app, Options& options) {
  app.require_subcommand(1);
  app.add_subcommand("list", "every snapshot with its age, rows and size, oldest first");
  CLI::App* show = app.add_subcommand("show", "what one snapshot holds and where it came from");
  show->add_option("SNAPSHOT", options.snapshot, "its id, the beginning of it, or latest (the default)");
  show->callback([&options] { options.show = true; });
}

void list(const std::vector<verify::SnapshotUsage>& snapshots, const repository::Repository& repository,
          cli::Context& context) {
  context.document["repository"] = repository.path().string();
  context.document["repository_id"] = repository.id();
  context.document["snapshots"] = verify::list_to_json(snapshots);
  if (snapshots.empty()) {
    context.reporter.note("there is no snapshot in " + repository.path().string());
    return;
  }
  for (const auto& line : verify::describe_list(snapshots, base::SystemClock().now()))
    context.reporter.result(line);
  std::string damaged;
  for (const verify::SnapshotUsage& snapshot : snapshots) {
    if (!snapshot.manifest) damaged += (damaged.empty() ? "" : "; ") + snapshot.damage;
  }
  if (!damaged.empty()) {
    throw Error(ExitCode::damaged, damaged)
        .with_hint("the others are listed; teslamate-verify --read-data checks them");
  }
}

void show(const std::vector<verify::SnapshotUsage>& snapshots, const std::string& id, cli::Context& context) {
  const auto found = std::ranges::find(snapshots, id, &verify::SnapshotUsage::id);
  if (found == snapshots.end()) throw Error(ExitCode::not_found, "snapshot " + id + " has just gone");
  context.document["snapshot"] = verify::snapshot_to_json(*found);
  if (!found->manifest) throw Error(ExitCode::damaged, found->damage).with_hint("teslamate-snapshots list");
  for (const auto& line : verify::describe_snapshot(*found, base::SystemClock().now()))
    context.reporter.result(line);
}

ExitCode run(const Options& options, cli::Context& context) {
  const auto repository = repository::Repository::open(context.repository());
  const std::string id = options.show ? repository.resolve(options.snapshot) : "";
  const std::vector<verify::SnapshotUsage> snapshots = verify::measure_usage(repository);
  if (options.show) {
    show(snapshots, id, context);
  } else {
    list(snapshots, repository, context);
  }
  return ExitCode::ok;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  cli::ProgramInfo info;
  info.name = "teslamate-snapshots";
  info.about = "Lists and shows the snapshots of a repository.";
  info.epilogue =
      "Exit codes: 0 done, 10 no repository there, 13 a manifest is damaged, 21 no such snapshot.";
  info.repository = true;
  info.unsaid_state = "nothing was changed";
  return cli::run_main(
      argc, argv, info, [&](CLI::App& app) { add_options(app, options); },
      [&](cli::Context& context) { return run(options, context); });
}
