// SPDX-License-Identifier: MIT
#include "snapshots/commands.hh"

#include <algorithm>

#include "base/error.hh"
#include "open_repository.hh"
#include "verify/describe.hh"
#include "verify/usage.hh"

namespace tmb::tools::snapshots {

using base::Error;
using base::ExitCode;

namespace {

class Show final : public Command {
 public:
  CLI::App* add(CLI::App& app) override {
    CLI::App* command = app.add_subcommand("show", "what one snapshot holds and where it came from");
    command->add_option("SNAPSHOT", snapshot_, "its id, the beginning of it, or latest (the default)");
    return command;
  }

  ExitCode run(cli::Context& context) override {
    const auto repository = open_repository(context);
    const std::string id = repository.resolve(snapshot_);
    const std::vector<verify::SnapshotUsage> snapshots = verify::measure_usage(repository);
    const auto found = std::ranges::find(snapshots, id, &verify::SnapshotUsage::id);
    if (found == snapshots.end()) throw Error(ExitCode::not_found, "snapshot " + id + " has just gone");
    context.document["snapshot"] = verify::snapshot_to_json(*found);
    if (!found->manifest) throw Error(ExitCode::damaged, found->damage).with_hint("teslamate-snapshots list");
    for (const auto& line : verify::describe_snapshot(*found, base::SystemClock().now()))
      context.reporter.result(line);
    return ExitCode::ok;
  }

 private:
  std::string snapshot_ = "latest";
};

}  // namespace

std::unique_ptr<Command> make_show() { return std::make_unique<Show>(); }

}  // namespace tmb::tools::snapshots
