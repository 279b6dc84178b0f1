// SPDX-License-Identifier: MIT
// What a snapshot holds besides rows and schema: the fingerprint of TeslaMate's vault key, and carried files.
#pragma once

#include "backup/backup.hh"

namespace tmb::backup {

// Within the snapshot: tries ENCRYPTION_KEY on the stored tokens and notes its fingerprint in the manifest.
// Says when the key does not open them. In a repository that is not encrypted the fingerprint stands only
// beside tokens that the key opens: whoever can read it could as well try keys on those.
void note_vault(postgres::Connection& connection, const Options& options, bool encrypted, Outcome& outcome,
                report::Reporter& reporter);

// Stores the files that Options::files names. A repository that is not encrypted carries none; that is said.
void carry_files(const Options& options, const repository::BackupSink& sink, Outcome& outcome,
                 report::Reporter& reporter);

}  // namespace tmb::backup
