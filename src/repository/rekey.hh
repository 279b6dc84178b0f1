// SPDX-License-Identifier: MIT
// Sealing everything in a repository anew: a plain repository becomes an encrypted one, or the master key is
// changed. At every moment the repository opens with the old key or with the new one, and every snapshot can
// be read; a run that was cut off is finished by finish_rekey(). Keeps writers and readers out meanwhile.
//   1. keys/<slot>.json with the new master key, and keys/previous-….json with the old one sealed by it
//   2. format.json names the new key and says "rekey_from": from here on the new key opens the repository
//   3. every snapshot, the newest first: its objects are written anew, then its manifest is replaced
//   4. what no manifest names any more is removed, format.json loses its "rekey_from", old slots go
#pragma once

#include <cstdint>
#include <stop_token>

#include "repository/repository.hh"

namespace tmb::repository {

// Called with the content that has been sealed so far and all that is to be.
using RekeyProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

struct Rekeyed {
  Repository repository;  // opened with the new key
  std::uint64_t snapshots = 0;
  std::uint64_t objects = 0;  // written anew
  std::uint64_t bytes = 0;    // that they occupy
};

// `repository` is open, with its old key if it has one. Throws refused when a change is under way already,
// damaged naming a snapshot or object that cannot be read (nothing is changed then), locked, local_io,
// interrupted (finish_rekey() goes on).
Rekeyed rekey(const Repository& repository, const NewKey& key, const RekeyProgress& progress,
              const std::stop_token& stop);

// Does the rest of what another run began. Nothing to do is no error.
Rekeyed finish_rekey(const Repository& repository, const RekeyProgress& progress,
                     const std::stop_token& stop);

}  // namespace tmb::repository
