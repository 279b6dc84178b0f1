// SPDX-License-Identifier: MIT
// Keys and names out of keys: HMAC-SHA-256 (RFC 2104), HKDF (RFC 5869), scrypt (RFC 7914).
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "base/secret.hh"
#include "crypto/key.hh"
#include "crypto/sha256.hh"

namespace tmb::crypto {

class Hmac {
 public:
  explicit Hmac(std::string_view key);
  explicit Hmac(const Key& key) : Hmac(key.reveal()) {}
  Hmac(Hmac&&) noexcept;
  Hmac& operator=(Hmac&&) noexcept;
  ~Hmac();
  void update(std::string_view bytes);
  Digest finish();  // ends this object's use

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

Digest hmac_sha256(std::string_view key, std::string_view bytes);
inline Digest hmac_sha256(const Key& key, std::string_view bytes) { return hmac_sha256(key.reveal(), bytes); }

// `length` (1 to 8160) bytes.
base::Secret hkdf_sha256(std::string_view key, std::string_view salt, std::string_view info,
                         std::size_t length);
// A subkey of `key` for one purpose.
Key derive_key(const Key& key, std::string_view salt, std::string_view info);

struct ScryptCost {
  std::uint64_t n = 0;  // a power of two
  std::uint32_t r = 0;
  std::uint32_t p = 0;
  // What it takes of memory, in bytes; the largest number where that cannot be told.
  std::uint64_t memory() const;
};

// `length` bytes. The caller bounds the cost: nothing here refuses what this machine cannot do in time.
// Throws internal for a cost that scrypt does not have.
base::Secret scrypt(std::string_view passphrase, std::string_view salt, const ScryptCost& cost,
                    std::size_t length);

}  // namespace tmb::crypto
