// SPDX-License-Identifier: MIT
// What format.json says, read from its bytes, wherever those are kept, and written.
#pragma once

#include <cstdint>
#include <string>

#include "repository/keys.hh"

namespace tmb::repository {

struct Format {
  std::string id;  // of the repository
  bool encrypted = false;
  // Of an encrypted repository alone:
  std::string key_id;            // of the master key
  std::uint64_t generation = 0;  // one more each time this file is replaced
  // While everything is being sealed anew: the key id of before, or "plain". Empty: nothing is under way.
  std::string rekey_from;
  std::string mac;  // over all of the above, with the master key; as the file has it

  bool from_plain() const { return rekey_from == "plain"; }
};

// Throws damaged, naming `what`, for other bytes than this program writes; unsupported for a newer version or
// a feature that it does not know.
Format format_from_file(const std::string& bytes, const std::string& what);

// `keys` is null for a repository that is not encrypted; the MAC is made anew.
std::string to_file(const Format& format, const RepositoryKeys* keys);

// Throws damaged when somebody without the key has changed the format.
void check_mac(const Format& format, const RepositoryKeys& keys, const std::string& what);

}  // namespace tmb::repository
