// SPDX-License-Identifier: MIT
// The tokens of a snapshot against the ENCRYPTION_KEY of today, without a database: read from its rows.
#pragma once

#include "base/secret.hh"
#include "repository/repository.hh"
#include "teslamate/vault.hh"

namespace tmb::verify {

// Reads the rows of private.tokens. Throws damaged.
teslamate::VaultReport check_vault(const repository::Repository& repository,
                                   const repository::Manifest& manifest, const base::Secret& encryption_key);

}  // namespace tmb::verify
