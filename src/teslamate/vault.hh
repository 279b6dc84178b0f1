// SPDX-License-Identifier: MIT
// TeslaMate's vault: do the stored tokens open with the ENCRYPTION_KEY that TeslaMate will use? Right, wrong
// or cannot tell, in plain words. Never changes a token, never hands out what is in one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.hh"
#include "postgres/connection.hh"

namespace tmb::teslamate {

enum class KeyAnswer { right, wrong, cannot_tell };

// One value of private.tokens, as bytes. Anything that is not laid out as the vault writes it is
// "cannot tell", never "wrong".
KeyAnswer try_key(const base::Secret& encryption_key, std::string_view stored_value);

struct VaultReport {
  KeyAnswer answer = KeyAnswer::cannot_tell;
  std::uint64_t values = 0;   // stored tokens looked at
  std::uint64_t opened = 0;   // with this key
  std::uint64_t refused = 0;  // laid out as the vault does, but sealed with another key (or damaged)
  std::uint64_t strange = 0;  // laid out otherwise
  bool has_key = false;
  // For people: "the 2 stored tokens open with ENCRYPTION_KEY".
  std::string sentence;
};

// Looks at the tokens of the database that `connection` is on. `encryption_key` may be empty: then, and
// without tokens, the answer is "cannot tell". Wrong when any token is refused. Throws database when the
// tokens may not be read.
VaultReport check_vault(postgres::Connection& connection, const base::Secret& encryption_key);

// The same for values that were read elsewhere, in PostgreSQL's text form ("\\x0a…").
VaultReport judge_values(const std::vector<std::string>& values, const base::Secret& encryption_key);

// What a manifest keeps of the key: "1:<salt>:<HMAC>", both hexadecimal, with a fresh salt. It costs as much
// to try a key on it as on a stored token, so beside such a token it tells nobody anything new; without one
// it belongs in sealed manifests only.
std::string vault_fingerprint(const base::Secret& encryption_key);
// cannot_tell for an empty key or fingerprint, and for one of a newer kind.
KeyAnswer compare_fingerprint(std::string_view fingerprint, const base::Secret& encryption_key);

}  // namespace tmb::teslamate
