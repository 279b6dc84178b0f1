// SPDX-License-Identifier: MIT
// What verifications found damaged, for the programs that write into a repository or remove from it.
#pragma once

#include "backup/backup.hh"
#include "base/error.hh"
#include "cli/run_main.hh"
#include "repository/known_damage.hh"
#include "repository/sink.hh"

namespace tmb::tools {

// Where the list cannot be read, anything may be on it: then `options` come to take nothing over.
inline repository::KnownDamage damage_to_avoid(const cli::Context& context,
                                               const repository::Repository& repository,
                                               backup::Options& options) {
  try {
    return repository::read_known_damage(context.settings.state_dir, repository);
  } catch (const base::Error& error) {
    context.reporter.warning("every row is read: " + error.message() + "; " + error.hint());
    options.full = true;
    return {};
  }
}

// What went well is not to fail for a list that cannot be written.
inline void note_mended(const cli::Context& context, const repository::Repository& repository,
                        const repository::KnownDamage& mended) {
  if (mended.empty()) return;
  try {
    repository::note_damage(context.settings.state_dir, repository, {}, mended);
  } catch (const base::Error& error) {
    context.reporter.warning("what was mended was not noted: " + error.message());
  }
}

inline void note_removed(const cli::Context& context, const repository::Repository& repository) {
  try {
    repository::forget_unnamed_damage(context.settings.state_dir, repository);
  } catch (const base::Error& error) {
    context.reporter.warning("the list of what is damaged still names what is gone: " + error.message());
  }
}

// A backup into a repository, with both around it.
inline backup::Outcome back_up(backup::Options& options, const postgres::ConnectionSettings& database,
                               const repository::Repository& repository, const base::Clock& clock,
                               const cli::Context& context) {
  const repository::RepositorySink sink(repository, damage_to_avoid(context, repository, options));
  backup::Outcome outcome = backup::run(options, {database, sink, clock}, context.reporter, context.stop);
  if (!options.dry_run) note_mended(context, repository, sink.mended());
  return outcome;
}

}  // namespace tmb::tools
