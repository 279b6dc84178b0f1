// SPDX-License-Identifier: MIT
#include "restore/vault_check.hh"

#include "teslamate/vault.hh"

namespace tmb::restore {

using teslamate::KeyAnswer;

void check_vault_key(postgres::Connection& loaded, const repository::Manifest& manifest,
                     const base::Secret& encryption_key, report::Reporter& reporter) {
  const teslamate::VaultReport report = teslamate::check_vault(loaded, encryption_key);
  const KeyAnswer same = teslamate::compare_fingerprint(manifest.vault_fingerprint, encryption_key);
  if (report.answer == KeyAnswer::wrong) {
    reporter.warning(report.sentence +
                     (same == KeyAnswer::wrong
                          ? " (ENCRYPTION_KEY is another one than when the snapshot was taken)"
                          : ""));
  } else if (report.answer != KeyAnswer::right && same == KeyAnswer::wrong) {
    reporter.warning(
        "ENCRYPTION_KEY is another one than when the snapshot was taken: tokens of that time would "
        "not open with it");
  } else if (report.answer == KeyAnswer::right || report.values > 0) {
    reporter.note(report.sentence);
  }
}

}  // namespace tmb::restore
