// SPDX-License-Identifier: MIT
// From what a program was told to an open repository: the one place where every program opens it.
#pragma once

#include <optional>

#include "base/error.hh"
#include "cli/run_main.hh"
#include "repository/last_seen.hh"
#include "repository/rekey.hh"
#include "repository/repository.hh"

namespace tmb::tools {

// The key of an encrypted repository, first found: --key-file, the systemd credential repository-key,
// [repository] key_file, what is typed on the terminal. `context` must outlive it.
inline repository::AskSecret ask_for_key(const cli::Context& context) {
  return [&context](const std::string& name) {
    std::optional<base::Secret> key = config::find_repository_key(context.settings.key, context.environment);
    return key ? std::move(*key) : context.ask_secret("Passphrase or recovery key of " + name);
  };
}

// What `open` gives, which asks for the key. Who types a wrong passphrase may try again.
template <class Open>
auto with_tries(const cli::Context& context, Open&& open) {
  constexpr int tries = 3;
  for (int i = 1;; ++i) {
    try {
      return open();
    } catch (const base::Error& error) {
      const bool again = error.code() == base::ExitCode::wrong_key && i < tries && context.on_terminal() &&
                         !context.stop.stop_requested() &&
                         !config::find_repository_key(context.settings.key, context.environment);
      if (!again) throw;
      context.reporter.note(error.message());
    }
  }
}

// Throws as Repository::open does.
inline repository::Repository open_repository_at(const cli::Context& context, const base::Path& path) {
  repository::Repository repository =
      with_tries(context, [&] { return repository::Repository::open(path, ask_for_key(context)); });
  repository.keep_free(context.settings.store.keep_free);
  return repository;
}

// As open_repository_at, and throws as Context::repository does; damaged when another repository stands
// there, or an older copy of it, than this machine remembers (unless --accept-repository).
inline repository::Repository open_repository(const cli::Context& context) {
  repository::Repository repository = open_repository_at(context, context.repository());
  if (!context.settings.key.accept_repository)
    repository::compare_with_memory(repository, context.settings.state_dir);
  return repository;
}

// What cannot be sealed anew must not stand in the way of new snapshots: those need no old one to be read.
inline void finish_change_of_key(const cli::Context& context, repository::Repository& repository) {
  context.reporter.note("finishing a change of the repository's key that was cut off");
  try {
    repository = repository::finish_rekey(repository, {}, context.stop).repository;
  } catch (const base::Error& error) {
    if (error.code() != base::ExitCode::damaged) throw;
    context.reporter.warning(
        "a change of the repository's key that was cut off cannot be finished: " + error.message() +
        "; this backup reads everything anew. Find the damaged snapshots with teslamate-verify --read-data, "
        "remove them with teslamate-snapshots forget, then run teslamate-keys finish");
  }
}

// For a backup: a new repository is made where that is due, encrypted when the settings name a key.
inline repository::Opened open_for_backup(const cli::Context& context, repository::OpenOptions options) {
  const base::SystemClock clock;
  options.accept = context.settings.key.accept_repository;
  options.make_in_empty = context.settings.store.initialize;
  options.ask = ask_for_key(context);
  if (auto key = config::find_repository_key(context.settings.key, context.environment))
    options.new_key = repository::NewKey{std::move(*key), "of the settings", clock.now()};
  const bool has_key = options.new_key.has_value();
  repository::Opened opened =
      repository::open_for_backup(context.repository(), context.settings.state_dir, options);
  if (opened.created) {
    context.reporter.note(std::string("made a new ") + (has_key ? "encrypted " : "") + "repository in " +
                          base::printable(context.repository().string()));
  } else if (has_key && !opened.repository.encrypted()) {
    context.reporter.warning("the settings name a key, but the repository " +
                             base::printable(context.repository().string()) +
                             " is not encrypted: teslamate-keys encrypt does that");
  }
  if (!opened.repository.format().rekey_from.empty()) finish_change_of_key(context, opened.repository);
  opened.repository.keep_free(context.settings.store.keep_free);
  opened.repository.objects().require_room(0);
  return opened;
}

}  // namespace tmb::tools
