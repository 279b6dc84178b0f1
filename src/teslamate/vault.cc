// SPDX-License-Identifier: MIT
#include "teslamate/vault.hh"

#include "base/error.hh"
#include "crypto/derive.hh"
#include "crypto/seal.hh"

namespace tmb::teslamate {

namespace {

// As Cloak writes it: 0x01, the tag's length and the tag, then 12 bytes of nonce, 16 of MAC, the ciphertext.
constexpr std::string_view beginning{
    "\x01\x0A"
    "AES.GCM.V1",
    12};
constexpr std::string_view aad = "AES256GCM";
constexpr std::size_t nonce_bytes = 12;
constexpr std::size_t mac_bytes = 16;

crypto::Key vault_key(const base::Secret& encryption_key) {
  return crypto::Key::from(crypto::as_bytes(crypto::sha256(encryption_key.reveal())));
}

std::string fingerprint_of(const base::Secret& encryption_key, const std::string& salt) {
  return crypto::hex(
      crypto::hmac_sha256(vault_key(encryption_key), "teslamate-backup vault fingerprint\n" + salt));
}

// bytea in hex format. nullopt for anything else.
std::optional<std::string> bytes_of(std::string_view text) {
  if (!text.starts_with("\\x") || text.size() % 2 != 0) return std::nullopt;
  std::string out;
  const auto value = [](char c) { return c >= 'a' ? c - 'a' + 10 : c - '0'; };
  for (std::size_t i = 2; i < text.size(); i += 2)
    out += static_cast<char>(value(text[i]) * 16 + value(text[i + 1]));
  return out;
}

void count(VaultReport& report, std::string_view text, const base::Secret& key) {
  ++report.values;
  const std::optional<std::string> bytes = bytes_of(text);
  switch (bytes ? try_key(key, *bytes) : KeyAnswer::cannot_tell) {
    case KeyAnswer::right: ++report.opened; break;
    case KeyAnswer::wrong: ++report.refused; break;
    case KeyAnswer::cannot_tell: ++report.strange; break;
  }
}

std::string tokens(std::uint64_t number) {
  return number == 1 ? "the stored token" : "the " + std::to_string(number) + " stored tokens";
}

void judge(VaultReport& report) {
  if (report.values == 0) {
    report.sentence = "cannot tell whether ENCRYPTION_KEY is right: no token is stored";
  } else if (!report.has_key) {
    report.sentence = "cannot tell whether " + tokens(report.values) +
                      " can be opened: ENCRYPTION_KEY is not known here (database.environment_file names "
                      "TeslaMate's environment file)";
  } else if (report.refused > 0) {
    report.answer = KeyAnswer::wrong;
    report.sentence =
        tokens(report.refused) + (report.refused == 1 ? " does" : " do") +
        " not open with ENCRYPTION_KEY: TeslaMate will ask for a new login, nothing else is lost";
  } else if (report.opened > 0) {
    report.answer = KeyAnswer::right;
    report.sentence =
        tokens(report.opened) + (report.opened == 1 ? " opens" : " open") + " with ENCRYPTION_KEY";
  } else {
    report.sentence = "cannot tell whether ENCRYPTION_KEY is right: " + tokens(report.strange) +
                      (report.strange == 1 ? " is" : " are") + " not stored in a form that is known";
  }
}

}  // namespace

KeyAnswer try_key(const base::Secret& encryption_key, std::string_view stored_value) {
  if (encryption_key.empty() || !stored_value.starts_with(beginning)) return KeyAnswer::cannot_tell;
  stored_value.remove_prefix(beginning.size());
  if (stored_value.size() < nonce_bytes + mac_bytes) return KeyAnswer::cannot_tell;
  std::string plain;
  const bool opened = crypto::open_gcm(vault_key(encryption_key), stored_value.substr(0, nonce_bytes),
                                       stored_value.substr(nonce_bytes, mac_bytes), aad,
                                       stored_value.substr(nonce_bytes + mac_bytes), plain);
  crypto::wipe(plain.data(), plain.size());
  return opened ? KeyAnswer::right : KeyAnswer::wrong;
}

VaultReport judge_values(const std::vector<std::string>& values, const base::Secret& encryption_key) {
  VaultReport report;
  report.has_key = !encryption_key.empty();
  for (const std::string& value : values) count(report, value, encryption_key);
  judge(report);
  return report;
}

VaultReport check_vault(postgres::Connection& connection, const base::Secret& encryption_key) {
  std::vector<std::string> values;
  const postgres::Result there = connection.query(R"(
  SELECT count(*) FROM pg_catalog.pg_attribute
  WHERE attrelid = pg_catalog.to_regclass('private.tokens') AND attname IN ('access', 'refresh')
    AND atttypid = 'pg_catalog.bytea'::pg_catalog.regtype AND NOT attisdropped)");
  if (there.integer(0, 0) == 2) {
    const postgres::Result rows = connection.query("SELECT access, refresh FROM private.tokens LIMIT 1000");
    for (int row = 0; row < rows.rows(); ++row) {
      for (int column = 0; column < 2; ++column) {
        if (!rows.is_null(row, column)) values.push_back(rows.string(row, column));
      }
    }
  }
  return judge_values(values, encryption_key);
}

std::string vault_fingerprint(const base::Secret& encryption_key) {
  const std::string salt = crypto::random_hex(16);
  return "1:" + salt + ":" + fingerprint_of(encryption_key, salt);
}

KeyAnswer compare_fingerprint(std::string_view fingerprint, const base::Secret& encryption_key) {
  const std::size_t colon = fingerprint.rfind(':');
  if (encryption_key.empty() || !fingerprint.starts_with("1:") || colon < 2) return KeyAnswer::cannot_tell;
  const std::string salt(fingerprint.substr(2, colon - 2));
  return crypto::equal_secrets(fingerprint.substr(colon + 1), fingerprint_of(encryption_key, salt))
             ? KeyAnswer::right
             : KeyAnswer::wrong;
}

}  // namespace tmb::teslamate
