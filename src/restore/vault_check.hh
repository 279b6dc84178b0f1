// SPDX-License-Identifier: MIT
// Will TeslaMate be able to open the tokens that are about to go live? A warning when not: all the rest of
// the data is as good as ever, and a new login mends it.
#pragma once

#include "postgres/connection.hh"
#include "report/reporter.hh"
#include "repository/manifest.hh"

namespace tmb::restore {

// `loaded` is connected to the loaded database. `encryption_key` is the one TeslaMate will use; may be empty.
void check_vault_key(postgres::Connection& loaded, const repository::Manifest& manifest,
                     const base::Secret& encryption_key, report::Reporter& reporter);

}  // namespace tmb::restore
