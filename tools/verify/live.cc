// SPDX-License-Identifier: MIT
#include "verify/live.hh"

#include "backup/live_check.hh"
#include "base/error.hh"
#include "connection_settings.hh"
#include "open_repository.hh"

namespace tmb::tools {

void verify_live(cli::Context& context) {
  const auto repository = open_repository(context);
  const repository::RepositorySource newest(repository.share(), repository.resolve("latest"));
  const postgres::ConnectionSettings database = connection_settings(context.settings, context.environment);
  backup::LiveCheckOptions how;
  how.jobs = context.settings.jobs;
  const backup::LiveReport found =
      backup::compare_with_live(newest, database, how, context.reporter, context.stop);
  context.document["live"] = backup::to_json(found);
  for (const std::string& line : backup::describe(found)) context.reporter.result(line);
  if (found.differences.empty()) return;
  throw base::Error(base::ExitCode::damaged, "rows of the live database differ from snapshot " +
                                                 found.snapshot + " though no transaction has changed them")
      .with_hint(
          "look at the disk and the server's log; snapshots hold the rows as they were when they were "
          "read, teslamate-backup --full reads every row as it is now");
}

}  // namespace tmb::tools
