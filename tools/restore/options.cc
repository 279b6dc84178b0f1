// SPDX-License-Identifier: MIT
#include "restore/options.hh"

#include "connection_settings.hh"
#include "hooks.hh"
#include "scope_option.hh"

namespace tmb::tools {

void add_restore_options(CLI::App& app, RestoreOptions& options) {
  auto* snapshot =
      app.add_option("SNAPSHOT|FILE", options.snapshot,
                     "a snapshot's id, its unique beginning, or: latest; or the path of a dump or .tmb");
  auto* as_database = app.add_option("--as-database", options.restore.as_database,
                                     "load into a new database of this name; the live one is not touched");
  as_database->type_name("NAME");
  auto* in_place =
      app.add_flag("--in-place", options.restore.in_place,
                   "replace the content in one transaction, for roles that may not create databases");
  auto* dry_run = app.add_flag("--dry-run", options.restore.dry_run, "say what would change; touch nothing");
  app.add_flag("--allow-newer", options.restore.allow_newer, "load a schema newer than the live database's");
  app.add_flag("--allow-incomplete", options.allow_incomplete,
               "load what there is of a dump that was cut off; only with --as-database")
      ->needs(as_database);
  app.add_flag("--trust-code", options.trust_code, "load a dump's own functions and triggers too");
  app.add_option("--keep-stopped", options.restore.keep_stopped, "leave this unit down after the restore")
      ->type_name("UNIT");
  app.add_option("--files-to", options.files_to, "bring only the carried files back, into this new folder")
      ->type_name("DIR")
      ->excludes(as_database)
      ->excludes(in_place)
      ->excludes(dry_run);
  auto* rollback = app.add_flag("--rollback", options.rollback, "swap the newest kept database back");
  auto* abort =
      app.add_flag("--abort", options.abort, "finish or undo what an interrupted restore left behind");
  auto* drop =
      app.add_flag("--drop-kept", options.drop_kept, "drop kept databases that are older than the keep time");
  rollback->excludes(snapshot)->excludes(as_database)->excludes(in_place)->excludes(dry_run);
  abort->excludes(snapshot)->excludes(as_database)->excludes(in_place)->excludes(dry_run)->excludes(rollback);
  drop->excludes(snapshot)
      ->excludes(as_database)
      ->excludes(in_place)
      ->excludes(dry_run)
      ->excludes(rollback)
      ->excludes(abort);
  as_database->excludes(in_place);
  add_row_options(app, options.rows);
  add_scope_option(app, options.scope, "settings: only what was configured, domain by domain")
      ->excludes(as_database)
      ->excludes(in_place)
      ->excludes(rollback)
      ->excludes(abort)
      ->excludes(drop)
      ->group("Single rows, with TeslaMate running");
}

restore::FileOptions file_options(const RestoreOptions& options) {
  restore::FileOptions out;
  out.allow_incomplete = options.allow_incomplete;
  out.trust_code = options.trust_code;
  out.beside = !options.restore.as_database.empty();
  out.pg_bin_dir = options.restore.pg_bin_dir;
  return out;
}

void take_restore_settings(RestoreOptions& options, const cli::Context& context) {
  const config::RestoreSettings& said = context.settings.restore;
  restore::Options& out = options.restore;
  out.jobs = context.settings.jobs;
  out.pg_bin_dir = context.settings.database.pg_bin_dir;
  out.no_service = context.no_service;
  out.units = service_units(context.settings);
  out.health_url = said.health_url;
  out.health_timeout = said.health_timeout;
  out.settle = said.settle;
  out.keep_old_days = said.keep_old_days;
  out.encryption_key = config::find_encryption_key(context.settings.database, context.environment);
}

}  // namespace tmb::tools
