// SPDX-License-Identifier: MIT
// The keys of an encrypted repository: what is derived from its master key, and which of them a reader may
// need while the master key is being changed. Knows nothing of slots and passphrases (key_slot.hh).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crypto/key.hh"

namespace tmb::repository {

// Everything here is HKDF-SHA-256 of the master key, salted with the repository's id.
class RepositoryKeys {
 public:
  RepositoryKeys(const crypto::Key& master_key, std::string repository);

  std::string repository_id;
  std::string key_id;  // 32 hex digits, no secret: which master key it is
  crypto::Key master;
  crypto::Key ids;     // names of objects
  crypto::Key data;    // objects and manifests
  crypto::Key format;  // authenticates format.json
  crypto::Key chain;   // seals the master key before this one

  // For files that are kept outside the repository, such as undo files.
  crypto::Key local(const std::string& purpose) const;
};

struct KeyRing {
  std::shared_ptr<const RepositoryKeys> current;  // null: the repository is not encrypted
  // Master keys of before, newest first. Objects may be sealed with the first of them while `rekeying`.
  std::vector<std::shared_ptr<const RepositoryKeys>> earlier;
  bool rekeying = false;
  bool plain_too = false;  // objects that are not sealed yet are good

  // The keys that objects with this id may be sealed with; null when there are none.
  const RepositoryKeys* find(std::string_view key_id_beginning) const;
};

}  // namespace tmb::repository
