// SPDX-License-Identifier: MIT
#include "repository/keys.hh"

#include "crypto/derive.hh"

namespace tmb::repository {

namespace {

std::string key_id_of(const crypto::Key& master, const std::string& repository) {
  return crypto::hex(
             crypto::hmac_sha256(crypto::derive_key(master, repository, "teslamate-backup key id"), "key id"))
      .substr(0, 32);
}

crypto::Key subkey(const crypto::Key& master, const std::string& repository, const std::string& purpose) {
  return crypto::derive_key(master, repository, "teslamate-backup " + purpose);
}

}  // namespace

RepositoryKeys::RepositoryKeys(const crypto::Key& master_key, std::string repository)
    : repository_id(std::move(repository)),
      key_id(key_id_of(master_key, repository_id)),
      master(master_key),
      ids(subkey(master, repository_id, "object ids")),
      data(subkey(master, repository_id, "objects")),
      format(subkey(master, repository_id, "format")),
      chain(subkey(master, repository_id, "chain")) {}

crypto::Key RepositoryKeys::local(const std::string& purpose) const {
  return subkey(master, repository_id, "local " + purpose);
}

const RepositoryKeys* KeyRing::find(std::string_view key_id_beginning) const {
  if (!current || key_id_beginning.empty()) return nullptr;
  if (current->key_id.starts_with(key_id_beginning)) return current.get();
  if (rekeying && !earlier.empty() && earlier.front()->key_id.starts_with(key_id_beginning))
    return earlier.front().get();
  return nullptr;
}

}  // namespace tmb::repository
