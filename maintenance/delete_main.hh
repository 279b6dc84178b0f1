// SPDX-License-Identifier: MIT
// What the three deleting programs share: one call, three kinds.
#pragma once

#include <string>
#include <vector>

#include "cli/run_main.hh"
#include "teslamate/remove.hh"
#include "undo_adapters.hh"

namespace tmb::maintenance {

struct DeleteOptions {
  std::vector<std::string> ids;
  std::string positions;
  teslamate::RemoveOptions remove;
};

inline void add_options(CLI::App& app, DeleteOptions& options) {
  const std::string what(teslamate::name_of(options.remove.kind));
  auto* ids = app.add_option("ID", options.ids, "number of the " + what)->type_name("ID");
  if (options.remove.kind != teslamate::Kind::drive) {
    ids->required();
  } else {
    auto* positions =
        app.add_option("--positions", options.positions,
                       "keep or delete its track; without it, asks on a terminal and else keeps it")
            ->type_name("keep|delete");
    app.add_flag("--orphaned-positions", options.remove.orphans,
                 "no drive, but the tracks that deleted drives left behind")
        ->excludes(ids)
        ->excludes(positions);
  }
  app.add_flag("--force", options.remove.force,
               options.remove.kind == teslamate::Kind::car ? "also a car with an open drive or charge"
                                                           : "also a " + what + " that is still open");
  app.add_flag("--dry-run", options.remove.dry_run, "show what would go; touch nothing");
}

inline teslamate::Track track_of(const std::string& word) {
  if (word.empty()) return teslamate::Track::ask;
  if (word == "keep") return teslamate::Track::keep;
  if (word == "delete") return teslamate::Track::remove;
  throw base::Error(base::ExitCode::usage,
                    "--positions is keep or delete, not '" + base::printable(word) + "'");
}

inline base::ExitCode run(DeleteOptions& options, cli::Context& context) {
  if (options.ids.empty() && !options.remove.orphans) {
    throw base::Error(base::ExitCode::usage, "say which drive, or --orphaned-positions");
  }
  options.remove.ids = teslamate::parse_ids(options.ids, teslamate::name_of(options.remove.kind));
  options.remove.track = track_of(options.positions);
  const base::SystemClock clock;
  const auto seal = options.remove.dry_run ? std::nullopt : undo_seal(context);
  print(context, teslamate::remove_rows(options.remove, adapters(context, clock, seal ? &*seal : nullptr),
                                        context.reporter, context.stop));
  return base::ExitCode::ok;
}

inline int delete_main(int argc, char** argv, teslamate::Kind kind, const std::string& about,
                       const std::string& epilogue) {
  DeleteOptions options;
  options.remove.kind = kind;
  const cli::ProgramInfo info{
      .name = "teslamate-delete-" + std::string(teslamate::name_of(kind)),
      .about = about,
      .epilogue = epilogue,
      .database = true,
      .repository = true,
      .jobs = false,
      .state = true,
      .services = false,
      .unsaid_state = "nothing was deleted",
  };
  return cli::run_main(
      argc, argv, info, [&](CLI::App& app) { add_options(app, options); },
      [&](cli::Context& context) { return run(options, context); });
}

}  // namespace tmb::maintenance
