// SPDX-License-Identifier: MIT
#include "backup/extras.hh"

#include "base/error.hh"
#include "teslamate/vault.hh"

namespace tmb::backup {

void note_vault(postgres::Connection& connection, const Options& options, bool encrypted, Outcome& outcome,
                report::Reporter& reporter) {
  if (options.encryption_key.empty()) return;
  const teslamate::VaultReport report = teslamate::check_vault(connection, options.encryption_key);
  if (report.answer == teslamate::KeyAnswer::wrong) {
    reporter.warning(report.sentence);
  } else {
    reporter.detail(report.sentence);
  }
  if (encrypted || report.answer == teslamate::KeyAnswer::right)
    outcome.manifest.vault_fingerprint = teslamate::vault_fingerprint(options.encryption_key);
}

void carry_files(const Options& options, const repository::BackupSink& sink, Outcome& outcome,
                 report::Reporter& reporter) {
  if (options.files.empty() || options.dry_run) return;
  if (!sink.encrypted()) {
    reporter.warning(
        "the files of the settings are not in the snapshot: only an encrypted repository carries "
        "files (teslamate-keys encrypt)");
    return;
  }
  repository::Workspace workspace;
  files::Collected collected = files::collect(options.files, [&](std::string_view piece) {
    const repository::StoredObject stored = sink.put(repository::ObjectType::file, piece, workspace);
    outcome.files_new_bytes += stored.new_bytes;
    outcome.healed += stored.healed ? 1 : 0;
    return stored.ref;
  });
  for (const std::string& problem : collected.problems)
    reporter.warning(problem + "; the snapshot does not carry it");
  outcome.manifest.files = std::move(collected.files);
}

}  // namespace tmb::backup
