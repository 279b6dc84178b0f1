// SPDX-License-Identifier: MIT
#include "snapshots/commands.hh"

#include "base/error.hh"
#include "open_repository.hh"
#include "verify/describe.hh"
#include "verify/usage.hh"

namespace tmb::tools::snapshots {

namespace {

class List final : public Command {
 public:
  CLI::App* add(CLI::App& app) override {
    return app.add_subcommand("list", "every snapshot with its age, rows and size, oldest first");
  }

  base::ExitCode run(cli::Context& context) override {
    const auto repository = open_repository(context);
    const std::vector<verify::SnapshotUsage> snapshots = verify::measure_usage(repository);
    context.document["repository"] = repository.path().string();
    context.document["repository_id"] = repository.id();
    context.document["snapshots"] = verify::list_to_json(snapshots);
    if (snapshots.empty()) {
      context.reporter.note("there is no snapshot in " + repository.path().string());
      return base::ExitCode::ok;
    }
    for (const auto& line : verify::describe_list(snapshots, base::SystemClock().now()))
      context.reporter.result(line);
    std::string damaged;
    for (const verify::SnapshotUsage& snapshot : snapshots) {
      if (!snapshot.manifest) damaged += (damaged.empty() ? "" : "; ") + snapshot.damage;
    }
    if (!damaged.empty()) {
      throw base::Error(base::ExitCode::damaged, damaged)
          .with_hint("the others are listed; teslamate-verify --read-data checks them");
    }
    return base::ExitCode::ok;
  }
};

}  // namespace

std::unique_ptr<Command> make_list() { return std::make_unique<List>(); }

}  // namespace tmb::tools::snapshots
