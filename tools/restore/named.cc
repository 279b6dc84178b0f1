// SPDX-License-Identifier: MIT
#include "restore/named.hh"

#include <optional>

#include "backup/backup.hh"
#include "base/error.hh"
#include "carried.hh"
#include "file_argument.hh"
#include "known_damage.hh"
#include "open_repository.hh"
#include "restore/file.hh"

namespace tmb::tools {

using base::Error;
using base::ExitCode;

namespace {

// A backup that begins now would read what is about to be replaced: it is told to come back later.
std::optional<base::FileLock> keep_backups_out(const repository::Repository& repository,
                                               const restore::Options& options) {
  if (options.dry_run || options.in_place) return std::nullopt;
  try {
    return repository.lock_for_writing();
  } catch (const Error& error) {
    if (error.code() == ExitCode::locked) throw;
    return std::nullopt;  // a repository that we may only read
  }
}

std::string snapshot_of_present(const cli::Context& context, const postgres::ConnectionSettings& database,
                                const repository::Repository& repository, const base::Clock& clock) {
  backup::Options options;
  options.jobs = context.settings.jobs;
  options.tag = "before-restore";
  options.tool_version = cli::version();
  options.pg_bin_dir = context.settings.database.pg_bin_dir;
  add_extras(options, context, repository.encrypted());
  return back_up(options, database, repository, clock, context).manifest.id;
}

restore::Outcome restore_snapshot(const RestoreOptions& options, const cli::Context& context,
                                  restore::Adapters& adapters) {
  const auto repository = open_repository(context);
  const auto lock = keep_backups_out(repository, options.restore);
  const repository::RepositorySource source(repository.share(), repository.resolve(options.snapshot));
  adapters.take_snapshot = [&] {
    return snapshot_of_present(context, adapters.database, repository, adapters.clock);
  };
  return restore::run(options.restore, source, adapters, context.reporter, context.stop);
}

}  // namespace

restore::Outcome restore_what_was_named(const RestoreOptions& options, const cli::Context& context,
                                        restore::Adapters& adapters) {
  if (!is_file_argument(options.snapshot)) return restore_snapshot(options, context, adapters);
  if (options.snapshot == "latest" || repository::is_snapshot_id(options.snapshot)) {
    throw Error(ExitCode::usage,
                "there is a file " + options.snapshot + " here, and it may be a snapshot's name too")
        .with_hint("for the file: ./" + options.snapshot +
                   "; for the snapshot: run the command in another folder");
  }
  return restore_file(options.snapshot, options.restore, file_options(options), context, adapters);
}

}  // namespace tmb::tools
