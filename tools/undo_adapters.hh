// SPDX-License-Identifier: MIT
// From a program's context to what the maintenance operations work with.
#pragma once

#include <optional>

#include "cli/run_main.hh"
#include "connection_settings.hh"
#include "crypto/seal.hh"
#include "open_repository.hh"
#include "teslamate/remove.hh"

namespace tmb::maintenance {

// nullopt where there is no terminal, or --yes was said: then the safer way is taken.
inline std::optional<bool> ask(const cli::Context& context, const std::string& question) {
  if (context.yes || !context.on_terminal()) return std::nullopt;
  return context.ask(question);
}

// With the key of the repository, where that is encrypted: then the undo files are, too. nullopt without a
// repository or where it is plain. Throws as open_repository_at does.
inline std::optional<teslamate::UndoSeal> undo_seal(const cli::Context& context) {
  const base::Path& path = context.settings.repository;
  std::error_code error;
  if (path.empty() || (!std::filesystem::exists(path / "format.json", error) && !error)) return std::nullopt;
  const repository::Repository repository = tools::open_repository_at(context, path);
  const std::optional<crypto::Key> key = repository.local_key("undo files");
  if (!key) return std::nullopt;
  std::vector<crypto::Key> keys = repository.earlier_local_keys("undo files");
  keys.insert(keys.begin(), *key);
  const auto name = [](std::uint64_t number, bool last) {
    return "undo/" + std::to_string(number) + (last ? "/last" : "/more");
  };
  teslamate::UndoSeal out;
  out.seal = [key = *key, name](std::string_view piece, std::uint64_t number, bool last) {
    return crypto::seal(key, name(number, last), piece);
  };
  out.open = [keys, name](std::string_view piece, std::uint64_t number, bool last) {
    std::string plain;
    for (const crypto::Key& candidate : keys) {
      if (crypto::open_sealed(candidate, name(number, last), piece, plain)) return plain;
    }
    throw base::Error(base::ExitCode::wrong_key,
                      "the undo file does not open with the repository's key: another key, or it is damaged");
  };
  return out;
}

// `seal` may be null and must live as long as the result.
inline teslamate::MaintenanceAdapters adapters(const cli::Context& context, const base::Clock& clock,
                                               const teslamate::UndoSeal* seal = nullptr) {
  return {tools::connection_settings(context.settings, context.environment),
          context.settings.state_dir,
          clock,
          seal,
          !context.yes,
          [&context](const std::string& question) { context.confirm(question); },
          [&context](const std::string& question) { return ask(context, question); }};
}

inline void print(cli::Context& context, const teslamate::Outcome& outcome) {
  context.document.update(outcome.document);
  for (const std::string& line : outcome.lines) context.reporter.result(line);
}

}  // namespace tmb::maintenance
