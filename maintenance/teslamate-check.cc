// SPDX-License-Identifier: MIT
// teslamate-check: what is not as it should be in TeslaMate's database.
#include "teslamate/check.hh"

#include "catalog/reader.hh"
#include "cli/run_main.hh"
#include "report/wrap.hh"
#include "teslamate/conflict.hh"
#include "teslamate/reindex.hh"
#include "teslamate/rpc.hh"
#include "undo_adapters.hh"

namespace {

using namespace tmb;

struct Options {
  bool reindex = false;
  teslamate::CheckOptions check;
};

void add_options(CLI::App& app, Options& options) {
  app.add_flag("--reindex", options.reindex,
               "rebuild bloated and invalid indexes, while TeslaMate goes on; asks first");
}

std::string installed_migration(const cli::Context& context) {
  const config::MaintenanceSettings& said = context.settings.maintenance;
  const base::Path folder =
      said.migrations.empty()
          ? teslamate::migrations_of(teslamate::find_program(said.rpc_command.front(), context.environment))
          : said.migrations;
  std::string newest = folder.empty() ? std::string() : teslamate::newest_migration(folder);
  if (newest.empty() && !said.migrations.empty()) {
    context.reporter.warning("there are no migrations in " + base::printable(said.migrations.string()));
  }
  return newest;
}

base::ExitCode run(Options& options, cli::Context& context) {
  const postgres::ConnectionSettings database =
      tools::connection_settings(context.settings, context.environment);
  if (options.reindex) {
    context.confirm("Rebuild the indexes that need it? TeslaMate goes on meanwhile.");
    maintenance::print(context, teslamate::reindex_bloated(database, options.check.index_waste_bytes,
                                                           context.reporter, context.stop));
    return base::ExitCode::ok;
  }
  postgres::Connection connection = postgres::Connection::open(database, context.stop);
  options.check.database = database.database;
  options.check.installed_migration = installed_migration(context);
  options.check.encryption_key = config::find_encryption_key(context.settings.database, context.environment);
  catalog::limit_lock_waits(connection, 10000);
  try {
    const teslamate::CheckReport report = teslamate::check(connection, options.check, context.reporter);
    maintenance::print(context, {teslamate::describe(report, report::terminal_columns(STDOUT_FILENO)),
                                 teslamate::to_json(report)});
    return report.findings.empty() ? base::ExitCode::ok : base::ExitCode::warnings;
  } catch (const postgres::DatabaseError& error) {
    teslamate::rethrow_conflict(error, database, "a table", "nothing was changed");
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  const cli::ProgramInfo info{
      .name = "teslamate-check",
      .about =
          "Looks at the whole of TeslaMate's database and says what is not as it should be, why it matters "
          "and\n"
          "what mends it. Changes nothing. Ends with 0 when all is well and with 3 when there is a finding.",
      .epilogue =
          "Examples:\n"
          "  teslamate-check\n"
          "  teslamate-check --json\n"
          "  teslamate-check --reindex\n",
      .database = true,
      .repository = false,
      .jobs = false,
      .state = false,
      .services = false,
      .unsaid_state = "nothing was changed",
  };
  return cli::run_main(
      argc, argv, info, [&](CLI::App& app) { add_options(app, options); },
      [&](cli::Context& context) { return run(options, context); });
}
