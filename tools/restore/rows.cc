// SPDX-License-Identifier: MIT
#include "restore/rows.hh"

#include "archive/input.hh"
#include "archive/tmb.hh"
#include "base/error.hh"
#include "catalog/admin.hh"
#include "connection_settings.hh"
#include "crypto/sha256.hh"
#include "file_argument.hh"
#include "open_tmb.hh"
#include "restore/file.hh"
#include "restore/session.hh"
#include "restore/snapshot_rows.hh"
#include "teslamate/database_rows.hh"
#include "teslamate/merge.hh"
#include "teslamate/settings_merge.hh"
#include "undo_adapters.hh"

namespace tmb::tools {

using base::Error;
using base::ExitCode;

namespace {

teslamate::MergeOptions merge_options(const RowOptions& options, const restore::Options& restore) {
  teslamate::MergeOptions out;
  out.drives = teslamate::parse_ids(options.drives, "drive");
  out.charges = teslamate::parse_ids(options.charges, "charge");
  out.cars = teslamate::parse_ids(options.cars, "car");
  out.since = teslamate::parse_moment(options.since, "--since");
  out.until = teslamate::parse_moment(options.until, "--until");
  out.allow_overlap = options.allow_overlap;
  out.dry_run = restore.dry_run;
  return out;
}

// A database for the rows of a dump, gone when this is.
class SideDatabase {
 public:
  SideDatabase(postgres::ConnectionSettings live, std::string name)
      : live_(std::move(live)), name_(std::move(name)) {}
  SideDatabase(const SideDatabase&) = delete;
  SideDatabase& operator=(const SideDatabase&) = delete;
  ~SideDatabase() {
    try {
      postgres::Connection admin = restore::open_admin(live_, live_.database, {});
      catalog::drop_database(admin, name_);
    } catch (const Error&) {  // NOLINT(bugprone-empty-catch): it is marked; the next restore drops it
    }
  }
  postgres::ConnectionSettings settings() const { return live_.with_database(name_); }
  const std::string& name() const { return name_; }

 private:
  postgres::ConnectionSettings live_;
  std::string name_;
};

using UseRows = std::function<void(teslamate::RowSource&)>;
using Merge = std::function<teslamate::Outcome(teslamate::RowSource&, const teslamate::MaintenanceAdapters&)>;

// What is to be done with the rows of a source, with undo files sealed where the repository is.
UseRows merge(bool dry_run, cli::Context& context, Merge how) {
  return [dry_run, &context, how = std::move(how)](teslamate::RowSource& source) {
    const base::SystemClock clock;
    const auto seal = dry_run ? std::nullopt : maintenance::undo_seal(context);
    maintenance::print(context, how(source, maintenance::adapters(context, clock, seal ? &*seal : nullptr)));
  };
}

enum class Wanted { records, settings };

void refuse_unfit(const repository::BackupSource& source, Wanted wanted) {
  if (wanted == Wanted::records && !source.manifest().scope.empty()) {
    throw Error(ExitCode::refused, source.describe() + " holds the settings only: no drives, no charges")
        .with_hint("bring the settings back with --scope settings");
  }
  if (!source.manifest().by_pg_dump()) return;
  throw Error(ExitCode::unsupported,
              source.describe() + " is an archive of pg_dump: single rows cannot be taken out of it")
      .with_hint("export it as .sql, which they can be taken out of");
}

// Loaded whole and checked beside the live database, as for a restore; then its rows are taken from there.
void with_rows_of_dump(const std::string& path, const restore::Options& restore,
                       const restore::FileOptions& file_options, cli::Context& context, const UseRows& use) {
  const postgres::ConnectionSettings database = connection_settings(context.settings, context.environment);
  const base::SystemClock clock;
  const SideDatabase side(database, "teslamate_rows_" + crypto::random_hex(4));
  restore::Options load = restore;
  load.as_database = side.name();
  load.as_marked = true;
  load.dry_run = false;
  load.no_service = true;
  restore::FileOptions file = file_options;
  file.beside = true;
  const restore::Adapters adapters{database, context.settings.state_dir, clock,
                                   nullptr,  [](const std::string&) {},  {}};
  restore_file(path, load, file, context, adapters);
  teslamate::DatabaseRows rows(side.settings(), path, context.stop);
  use(rows);
}

void with_rows_of(const std::string& what, Wanted wanted, const restore::Options& restore,
                  const restore::FileOptions& file, cli::Context& context, const UseRows& use) {
  if (!is_file_argument(what)) {
    const repository::Repository repository = open_repository(context);
    const repository::RepositorySource source(repository.share(), repository.resolve(what));
    refuse_unfit(source, wanted);
    restore::SnapshotRows rows(source, restore.jobs, context.stop);
    use(rows);
    return;
  }
  if (archive::InputFile::open(what).content() != archive::Content::tmb) {
    with_rows_of_dump(what, restore, file, context, use);
    return;
  }
  const auto source = open_tmb(context, what);
  refuse_unfit(*source, wanted);
  restore::SnapshotRows rows(*source, restore.jobs, context.stop);
  use(rows);
}

}  // namespace

void add_row_options(CLI::App& app, RowOptions& options) {
  const std::string group = "Single rows, with TeslaMate running";
  const auto ids = [&](const char* flag, std::vector<std::string>& into, const char* text) {
    app.add_option(flag, into, text)->type_name("ID")->allow_extra_args(false)->group(group);
  };
  ids("--drive", options.drives, "bring back this drive; may be given several times");
  ids("--charge", options.charges, "bring back this charge; may be given several times");
  ids("--car", options.cars, "bring back everything of this car; may be given several times");
  app.add_option("--since", options.since, "of the cars, or of all: only from this day or moment (UTC) on")
      ->type_name("TIME")
      ->group(group);
  app.add_option("--until", options.until, "and only before this one")->type_name("TIME")->group(group);
  app.add_flag("--allow-overlap", options.allow_overlap,
               "also what overlaps a drive or charge that is there: TeslaMate then counts both")
      ->group(group);
}

void restore_rows(const RowOptions& options, const std::string& what, const restore::Options& restore,
                  const restore::FileOptions& file, cli::Context& context) {
  const teslamate::MergeOptions merge_what = merge_options(options, restore);
  with_rows_of(what, Wanted::records, restore, file, context,
               merge(restore.dry_run, context, [&](auto& source, const auto& adapters) {
                 return teslamate::merge_rows(merge_what, source, adapters, context.reporter, context.stop);
               }));
}

void restore_settings(const std::string& what, const restore::Options& restore,
                      const restore::FileOptions& file, cli::Context& context) {
  teslamate::SettingsOptions options;
  options.dry_run = restore.dry_run;
  with_rows_of(what, Wanted::settings, restore, file, context,
               merge(restore.dry_run, context, [&](auto& source, const auto& adapters) {
                 return teslamate::merge_settings(options, source, adapters, context.reporter, context.stop);
               }));
}

}  // namespace tmb::tools
