// SPDX-License-Identifier: MIT
#include "repository/key_slot.hh"

#include <algorithm>
#include <bit>

#include "base/error.hh"
#include "crypto/seal.hh"
#include "repository/key_text.hh"
#include "repository/sealed_json.hh"

namespace tmb::repository {

using base::Error;
using base::ExitCode;
using base::printable;

namespace {

constexpr std::string_view slot_magic = "teslamate-backup key";
constexpr std::string_view earlier_prefix = "previous-";
constexpr std::string_view earlier_magic = "teslamate-backup previous key";
constexpr int version = 1;
constexpr std::string_view hex_digits = "0123456789abcdef";
constexpr std::size_t salt_bytes = 32;
constexpr std::size_t wrapped_bytes = crypto::Key::size + crypto::seal_overhead;

std::string to_hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    out += hex_digits[static_cast<unsigned char>(c) >> 4U];
    out += hex_digits[static_cast<unsigned char>(c) & 15U];
  }
  return out;
}

bool is_hex(std::string_view text, std::size_t digits) {
  return text.size() == digits && text.find_first_not_of(hex_digits) == std::string_view::npos;
}

// Of text that is_hex().
std::string from_hex(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 2)
    out += static_cast<char>(hex_digits.find(text[i]) * 16 + hex_digits.find(text[i + 1]));
  return out;
}

std::string_view kind_name(KeySlot::Kind kind) {
  return kind == KeySlot::Kind::passphrase ? "passphrase" : "generated";
}

// What the commitment and the seal cover.
std::string covered(const KeySlot& s) {
  std::string out(slot_magic);
  const auto add = [&](const std::string& line) { out.append("\n").append(line); };
  add(std::to_string(version));
  add(s.repository_id);
  add(s.key_id);
  add(s.slot);
  add(std::string(kind_name(s.kind)));
  add(base::iso_utc(s.created));
  add(std::to_string(s.cost.n) + " " + std::to_string(s.cost.r) + " " + std::to_string(s.cost.p));
  add(s.salt);
  add(to_hex(s.label));
  return out + "\n";
}

struct SlotKeys {
  crypto::Key wrap;
  crypto::Key commit;
};

SlotKeys slot_keys(const KeySlot& slot, const base::Secret& secret) {
  const std::string salt = from_hex(slot.salt);
  const base::Secret derived =
      slot.kind == KeySlot::Kind::passphrase
          ? crypto::scrypt(secret.reveal(), salt, slot.cost, 2 * crypto::Key::size)
          : crypto::hkdf_sha256(secret.reveal(), salt, "teslamate-backup key slot", 2 * crypto::Key::size);
  const std::string_view bytes = derived.reveal();
  return {crypto::Key::from(bytes.substr(0, crypto::Key::size)),
          crypto::Key::from(bytes.substr(crypto::Key::size))};
}

void check_cost(const KeySlot& slot, const ScryptBounds& bounds) {
  if (slot.kind != KeySlot::Kind::passphrase) return;
  const crypto::ScryptCost& c = slot.cost;
  const bool sane = std::has_single_bit(c.n) && c.n >= bounds.least_n && c.n <= bounds.most_n && c.r >= 1 &&
                    c.r <= 16 && c.p >= 1 && c.p <= 2 && c.memory() <= bounds.most_memory / c.p;
  if (!sane) {
    throw Error(ExitCode::damaged,
                "key slot " + slot.slot +
                    " asks for more or less work than this program ever asks for (scrypt " +
                    std::to_string(c.n) + ", " + std::to_string(c.r) + ", " + std::to_string(c.p) + ")");
  }
}

std::string chain_covers(const RepositoryKeys& keys, const std::string& earlier) {
  return std::string(earlier_magic) + "\n1\n" + keys.repository_id + "\n" + keys.key_id + "\n" + earlier +
         "\n";
}

struct EarlierKey {
  std::string key_id;    // of the master key that opens it
  std::string previous;  // of the one within
  std::string wrapped;
};

// Throws damaged.
EarlierKey earlier_from_file(const std::string& bytes, const std::string& what) {
  const Json json = open_sealed_json(bytes, what);
  return reading_json(what, [&] {
    EarlierKey out{json.at("key"), json.at("previous"), json.at("wrapped")};
    const bool sane = json.at("magic") == earlier_magic && is_hex(out.key_id, 32) &&
                      is_hex(out.previous, 32) && is_hex(out.wrapped, 2 * wrapped_bytes);
    if (!sane) throw Error(ExitCode::damaged, what + " is not what this program writes");
    return out;
  });
}

// The master key before `keys`, if there is a file that holds it. One that is damaged or forged is as good as
// none: today's snapshots do not need it, and whoever does need it says that it is missing.
std::shared_ptr<const RepositoryKeys> open_earlier(const RepositoryKeys& keys,
                                                   const std::vector<KeyFile>& files) {
  for (const KeyFile& file : files) {
    if (!file.name.starts_with(earlier_prefix)) continue;
    try {
      const EarlierKey earlier = earlier_from_file(file.bytes, "keys/" + printable(file.name));
      std::string bytes;
      if (earlier.key_id != keys.key_id ||
          !crypto::open_sealed(keys.chain, chain_covers(keys, earlier.previous), from_hex(earlier.wrapped),
                               bytes))
        continue;
      auto out = std::make_shared<const RepositoryKeys>(crypto::Key::from(bytes), keys.repository_id);
      crypto::wipe(bytes.data(), bytes.size());
      return out;
    } catch (const Error& error) {
      if (error.code() != ExitCode::damaged) throw;
    }
  }
  return nullptr;
}

KeyRing make_ring(const Format& format, std::shared_ptr<const RepositoryKeys> keys,
                  const std::vector<KeyFile>& files) {
  constexpr std::size_t longest_chain = 1000;
  KeyRing ring;
  ring.current = std::move(keys);
  const RepositoryKeys* last = ring.current.get();
  while (ring.earlier.size() < longest_chain) {
    auto before = open_earlier(*last, files);
    if (!before) break;
    ring.earlier.push_back(std::move(before));
    last = ring.earlier.back().get();
  }
  ring.rekeying = !format.rekey_from.empty();
  ring.plain_too = format.from_plain();
  const bool known = !ring.rekeying || ring.plain_too ||
                     (!ring.earlier.empty() && ring.earlier.front()->key_id == format.rekey_from);
  if (!known)
    throw Error(ExitCode::damaged, "keys/previous-" + format.rekey_from + ".json is missing or damaged");
  return ring;
}

std::string list_of(const std::vector<KeyFolder::Damaged>& files) {
  std::string out;
  for (const KeyFolder::Damaged& file : files) out += (out.empty() ? "" : "; ") + file.why;
  return out;
}

}  // namespace

KeySlot make_slot(const RepositoryKeys& keys, const base::Secret& secret, const std::string& label,
                  base::Time now, const crypto::ScryptCost& cost) {
  if (secret.empty()) throw Error(ExitCode::wrong_key, "a passphrase must not be empty");
  const std::optional<base::Secret> generated = parse_key_text(secret);
  KeySlot slot;
  slot.repository_id = keys.repository_id;
  slot.key_id = keys.key_id;
  slot.slot = crypto::random_hex(4);
  slot.kind = generated ? KeySlot::Kind::generated : KeySlot::Kind::passphrase;
  slot.label = label;
  slot.created = std::chrono::floor<std::chrono::seconds>(now);
  if (!generated) slot.cost = cost;
  slot.salt = crypto::random_hex(salt_bytes);
  const SlotKeys wrapping = slot_keys(slot, generated ? *generated : secret);
  const std::string text = covered(slot);
  slot.commit = crypto::hex(crypto::hmac_sha256(wrapping.commit, text));
  slot.wrapped = to_hex(crypto::seal(wrapping.wrap, text, keys.master.reveal()));
  return slot;
}

std::string to_file(const KeySlot& s) {
  return seal_json({{"magic", slot_magic},
                    {"version", version},
                    {"repository", s.repository_id},
                    {"key", s.key_id},
                    {"slot", s.slot},
                    {"kind", kind_name(s.kind)},
                    {"label", s.label},
                    {"created", base::iso_utc(s.created)},
                    {"n", s.cost.n},
                    {"r", s.cost.r},
                    {"p", s.cost.p},
                    {"salt", s.salt},
                    {"commit", s.commit},
                    {"wrapped", s.wrapped}});
}

KeySlot slot_from_file(const std::string& bytes, const std::string& what) {
  const Json json = open_sealed_json(bytes, what);
  return reading_json(what, [&] {
    if (json.at("magic") != slot_magic) throw Error(ExitCode::damaged, what + " is not a key slot");
    const auto kind = json.at("kind").get<std::string>();
    const bool passphrase = kind == kind_name(KeySlot::Kind::passphrase);
    if (json.at("version") != version || (!passphrase && kind != kind_name(KeySlot::Kind::generated)))
      throw Error(ExitCode::unsupported, what + " is a slot of a newer kind")
          .with_hint("use a newer program");
    KeySlot s;
    s.repository_id = json.at("repository");
    s.key_id = json.at("key");
    s.slot = json.at("slot");
    s.kind = passphrase ? KeySlot::Kind::passphrase : KeySlot::Kind::generated;
    s.label = json.at("label");
    s.created = base::parse_iso_utc(json.at("created").get<std::string>());
    s.cost = {json.at("n").get<std::uint64_t>(), json.at("r").get<std::uint32_t>(),
              json.at("p").get<std::uint32_t>()};
    s.salt = json.at("salt");
    s.commit = json.at("commit");
    s.wrapped = json.at("wrapped");
    const bool sane = is_hex(s.key_id, 32) && is_hex(s.slot, 8) && is_hex(s.salt, 2 * salt_bytes) &&
                      is_hex(s.commit, 64) && is_hex(s.wrapped, 2 * wrapped_bytes);
    // To the byte: no second spelling of a member, and none besides.
    if (!sane || to_file(s) != bytes)
      throw Error(ExitCode::damaged, what + " is not what this program writes");
    return s;
  });
}

std::optional<crypto::Key> open_slot(const KeySlot& slot, const base::Secret& secret,
                                     const ScryptBounds& bounds) {
  const std::optional<base::Secret> generated = parse_key_text(secret);
  if (generated.has_value() != (slot.kind == KeySlot::Kind::generated)) return std::nullopt;
  check_cost(slot, bounds);
  const SlotKeys wrapping = slot_keys(slot, generated ? *generated : secret);
  const std::string text = covered(slot);
  // First whose slot it is: GCM alone would let one ciphertext be made that several passphrases open.
  if (!crypto::equal_secrets(crypto::hex(crypto::hmac_sha256(wrapping.commit, text)), slot.commit))
    return std::nullopt;
  std::string bytes;
  if (!crypto::open_sealed(wrapping.wrap, text, from_hex(slot.wrapped), bytes))
    throw Error(ExitCode::damaged,
                "key slot " + slot.slot + " was changed: its passphrase is right, its key is not");
  crypto::Key master = crypto::Key::from(bytes);
  crypto::wipe(bytes.data(), bytes.size());
  return master;
}

std::string seal_earlier(const RepositoryKeys& keys, const RepositoryKeys& earlier) {
  return seal_json({{"magic", earlier_magic},
                    {"version", version},
                    {"repository", keys.repository_id},
                    {"key", keys.key_id},
                    {"previous", earlier.key_id},
                    {"wrapped", to_hex(crypto::seal(keys.chain, chain_covers(keys, earlier.key_id),
                                                    earlier.master.reveal()))}});
}

KeyFolder read_slots(const std::vector<KeyFile>& files) {
  KeyFolder out;
  for (const KeyFile& file : files) {
    if (file.bytes.empty()) {
      out.damaged.push_back({file.name, "keys/" + printable(file.name) + " is empty or cannot be read"});
      continue;
    }
    try {
      if (file.name.starts_with(earlier_prefix)) {
        static_cast<void>(earlier_from_file(file.bytes, "keys/" + printable(file.name)));
        continue;
      }
      KeySlot slot = slot_from_file(file.bytes, "keys/" + printable(file.name));
      if (slot.file_name() != file.name)
        throw Error(ExitCode::damaged, "keys/" + printable(file.name) + " is the file of slot " + slot.slot);
      out.slots.push_back(std::move(slot));
    } catch (const Error& error) {
      out.damaged.push_back({file.name, error.message(), error.code()});
    }
  }
  std::ranges::sort(out.slots, {}, &KeySlot::slot);
  return out;
}

Unlocked unlock(const Format& format, const std::vector<KeyFile>& files, const AskSecret& ask,
                const std::string& name, const ScryptBounds& bounds) {
  if (!format.encrypted) return {};
  KeyFolder folder = read_slots(files);
  std::erase_if(folder.slots, [&](const KeySlot& slot) {
    return slot.key_id != format.key_id || slot.repository_id != format.id;
  });
  if (folder.slots.empty()) {
    const bool newer = !folder.damaged.empty() && std::ranges::all_of(folder.damaged, [](const auto& d) {
      return d.code == ExitCode::unsupported;
    });
    throw Error(newer ? ExitCode::unsupported : ExitCode::damaged,
                "the repository " + name + " has no key slot that could open it" +
                    (folder.damaged.empty() ? "" : ": " + list_of(folder.damaged)))
        .with_hint(newer ? "use a newer program"
                         : "bring back the folder keys/ from another copy of the repository");
  }
  if (folder.slots.size() > max_slots)
    throw Error(ExitCode::damaged, "the repository " + name + " has more key slots than these programs make");
  if (!ask) {
    throw Error(ExitCode::wrong_key, "the repository " + name + " is encrypted and no key was given")
        .with_hint("name a file with --key-file or [repository] key_file, or run it on a terminal");
  }
  const base::Secret secret = ask(name);
  if (secret.empty()) throw Error(ExitCode::wrong_key, "the passphrase is empty");
  std::size_t refused = 0;
  for (const KeySlot& slot : folder.slots) {
    std::optional<crypto::Key> master;
    try {
      master = open_slot(slot, secret, bounds);
    } catch (const Error& error) {
      if (error.code() != ExitCode::damaged) throw;
      folder.damaged.push_back({slot.file_name(), error.message(), error.code()});
      continue;
    }
    if (!master) {
      ++refused;
      continue;
    }
    auto keys = std::make_shared<const RepositoryKeys>(*master, format.id);
    if (keys->key_id != format.key_id)
      throw Error(ExitCode::damaged, "key slot " + slot.slot + " holds the key of something else");
    check_mac(format, *keys, name + ": format.json");
    return {make_ring(format, std::move(keys), files), slot.slot};
  }
  if (refused == 0) throw Error(ExitCode::damaged, list_of(folder.damaged));
  std::string message = "no key slot of the repository " + name + " opens with this passphrase or key";
  if (!folder.damaged.empty()) message += " (and there is damage: " + list_of(folder.damaged) + ")";
  throw Error(ExitCode::wrong_key, message).with_hint("teslamate-keys list shows which slots there are");
}

}  // namespace tmb::repository
