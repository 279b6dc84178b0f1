// SPDX-License-Identifier: MIT
// Key slots: the master key of a repository, wrapped by a passphrase (scrypt) or by a generated key (HKDF).
// Each slot is a small file of its own, keys/<slot>.json, and any of them opens the repository.
//   keys/<slot>.json             8 hexadecimal digits
//   keys/previous-<key id>.json  the master key of before, sealed with the one that came after it
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hh"
#include "base/exit_code.hh"
#include "base/secret.hh"
#include "crypto/derive.hh"
#include "repository/format.hh"
#include "repository/keys.hh"

namespace tmb::repository {

// How many slots for one master key there may be: each passphrase slot that is tried costs half a second.
inline constexpr std::size_t max_slots = 32;

// What scrypt may cost. Slots come from files that somebody else may have written, so there is a limit on
// both sides: twice the work of what we write, and at most 256 MiB of memory.
struct ScryptBounds {
  std::uint64_t least_n = std::uint64_t{1} << 15U;
  std::uint64_t most_n = std::uint64_t{1} << 18U;
  std::uint64_t most_memory = (std::uint64_t{256} << 20U) + (std::uint64_t{1} << 16U);
};
inline constexpr crypto::ScryptCost default_cost{std::uint64_t{1} << 17U, 8, 1};

struct KeySlot {
  enum class Kind { passphrase, generated };
  std::string repository_id;
  std::string key_id;
  std::string slot;  // 8 hexadecimal digits
  Kind kind = Kind::passphrase;
  std::string label;  // for people
  base::Time created{};
  crypto::ScryptCost cost;  // of a passphrase
  std::string salt;         // 64 hexadecimal digits
  std::string commit;       // HMAC with the commit key over all of the above: tells whose passphrase it is
  std::string wrapped;      // the sealed master key

  std::string file_name() const { return slot + ".json"; }
};

// A slot that `secret` opens: of kind generated when it is a text of key_text.hh, else a passphrase. Tests
// pass a cheap cost. Throws wrong_key for an empty secret.
KeySlot make_slot(const RepositoryKeys& keys, const base::Secret& secret, const std::string& label,
                  base::Time now, const crypto::ScryptCost& cost = default_cost);
std::string to_file(const KeySlot& slot);
// Throws damaged; unsupported for a newer kind of slot.
KeySlot slot_from_file(const std::string& bytes, const std::string& what);

// The master key, or nullopt when `secret` is not this slot's. Throws damaged for a cost out of bounds and
// for a wrapped key that was changed.
std::optional<crypto::Key> open_slot(const KeySlot& slot, const base::Secret& secret,
                                     const ScryptBounds& bounds = {});

// keys/previous-<key id>.json
std::string seal_earlier(const RepositoryKeys& keys, const RepositoryKeys& earlier);

struct KeyFile {
  std::string name;   // within keys/
  std::string bytes;  // none: it cannot be read
};

struct KeyFolder {
  struct Damaged {
    std::string name;                               // within keys/
    std::string why;                                // names it, too
    base::ExitCode code = base::ExitCode::damaged;  // or unsupported
  };
  std::vector<KeySlot> slots;    // by name; of every master key
  std::vector<Damaged> damaged;  // files that are no good
};
KeyFolder read_slots(const std::vector<KeyFile>& files);

// Asks for the passphrase or the generated key of the repository called `name`.
using AskSecret = std::function<base::Secret(const std::string& name)>;

struct Unlocked {
  KeyRing ring;
  std::string slot;  // that the secret opened
};

// Opens the keys of a repository from the bytes of its format.json and of the files in keys/. Of a repository
// that is not encrypted, the ring is empty and nobody is asked. Throws wrong_key when no slot opens; damaged
// when there is no slot left that could, or the format was forged.
Unlocked unlock(const Format& format, const std::vector<KeyFile>& files, const AskSecret& ask,
                const std::string& name, const ScryptBounds& bounds = {});

}  // namespace tmb::repository
