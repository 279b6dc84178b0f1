// SPDX-License-Identifier: MIT
// What the two closing programs share: one call, two kinds.
#pragma once

#include <string>
#include <vector>

#include "cli/run_main.hh"
#include "teslamate/close.hh"
#include "undo_adapters.hh"

namespace tmb::maintenance {

struct CloseOptions {
  std::vector<std::string> ids;
  bool list = false;
  teslamate::CloseOptions close;
};

inline void add_options(CLI::App& app, CloseOptions& options) {
  const std::string what(teslamate::name_of(options.close.kind));
  auto* ids = app.add_option("ID", options.ids, "number of the " + what)->type_name("ID");
  auto* open = app.add_flag("--open", options.close.all_open, "every " + what + " that is open");
  auto* list = app.add_flag("--list", options.list, "show all open drives and charges; touch nothing");
  open->excludes(ids);
  list->excludes(ids)->excludes(open);
  if (options.close.kind == teslamate::Kind::drive) {
    app.add_flag("--allow-delete", options.close.allow_delete,
                 "also a drive so short that TeslaMate deletes it");
  }
  app.add_flag("--recompute", options.close.recompute,
               options.close.kind == teslamate::Kind::drive
                   ? "also a drive that is closed: TeslaMate computes it anew"
                   : "also a charge that is closed: TeslaMate computes it anew, and its cost");
  app.add_flag("--dry-run", options.close.dry_run, "show what would happen; touch nothing");
}

inline teslamate::RpcSettings rpc_settings(const cli::Context& context) {
  config::ReleaseAccess release = config::resolve_release(context.settings, context.environment);
  return {.command = std::move(release.command),
          .user = std::move(release.user),
          .node = std::move(release.node),
          .cookie = std::move(release.cookie),
          .environment = std::move(release.environment)};
}

inline base::ExitCode run(CloseOptions& options, cli::Context& context) {
  const std::string_view what = teslamate::name_of(options.close.kind);
  const base::SystemClock clock;
  if (options.list) {
    print(context, teslamate::list_open(adapters(context, clock), context.reporter, context.stop));
    return base::ExitCode::ok;
  }
  if (options.ids.empty() && !options.close.all_open) {
    throw base::Error(base::ExitCode::usage, "say which " + std::string(what) + ", or --open for all")
        .with_hint("teslamate-close-" + std::string(what) + " --list");
  }
  options.close.ids = teslamate::parse_ids(options.ids, what);
  const auto seal = options.close.dry_run ? std::nullopt : undo_seal(context);
  print(context, teslamate::close_records(options.close, adapters(context, clock, seal ? &*seal : nullptr),
                                          rpc_settings(context), context.reporter, context.stop));
  return base::ExitCode::ok;
}

inline int close_main(int argc, char** argv, teslamate::Kind kind, const std::string& about,
                      const std::string& epilogue) {
  CloseOptions options;
  options.close.kind = kind;
  const cli::ProgramInfo info{
      .name = "teslamate-close-" + std::string(teslamate::name_of(kind)),
      .about = about,
      .epilogue = epilogue,
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

}  // namespace tmb::maintenance
