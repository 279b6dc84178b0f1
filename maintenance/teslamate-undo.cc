// SPDX-License-Identifier: MIT
// teslamate-undo: takes back what the maintenance programs did.
#include "teslamate/undo.hh"

#include "cli/run_main.hh"
#include "undo_adapters.hh"

namespace {

using namespace tmb;

struct Options {
  bool list = false;
  teslamate::UndoOptions undo{.wanted = ""};
};

void add_options(CLI::App& app, Options& options) {
  auto* what = app.add_option("FILE", options.undo.wanted, "a name that --list shows, a file, or: last");
  auto* list = app.add_flag("--list", options.list, "show what can be taken back");
  app.add_flag("--dry-run", options.undo.dry_run, "say whether a row stands in the way; touch nothing");
  list->excludes(what);
}

base::ExitCode run(const Options& options, cli::Context& context) {
  const base::SystemClock clock;
  const auto seal = maintenance::undo_seal(context);
  const teslamate::MaintenanceAdapters adapters =
      maintenance::adapters(context, clock, seal ? &*seal : nullptr);
  if (options.list) {
    maintenance::print(context, teslamate::list_undo(adapters, context.reporter, context.stop));
    return base::ExitCode::ok;
  }
  if (options.undo.wanted.empty()) {
    throw base::Error(base::ExitCode::usage, "say what to undo, such as: teslamate-undo last")
        .with_hint("teslamate-undo --list shows what there is");
  }
  maintenance::print(context, teslamate::undo(options.undo, adapters, context.reporter, context.stop));
  return base::ExitCode::ok;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  const cli::ProgramInfo info{
      .name = "teslamate-undo",
      .about =
          "Takes back what a deleting, closing or row restoring program did: every row exactly as it was, "
          "or\n"
          "none of them and the name of the row that stands in the way.",
      .epilogue =
          "Examples:\n"
          "  teslamate-undo --list\n"
          "  teslamate-undo last\n"
          "  teslamate-undo 20261120T171500Z-delete-drive-9999\n",
      .database = true,
      .repository = true,
      .jobs = false,
      .state = true,
      .services = false,
      .unsaid_state = "nothing was changed",
  };
  return cli::run_main(
      argc, argv, info, [&](CLI::App& app) { add_options(app, options); },
      [&](cli::Context& context) { return run(options, context); });
}
