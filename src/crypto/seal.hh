// SPDX-License-Identifier: MIT
// Sealing bytes with XAES-256-GCM (c2sp.org/XAES-256-GCM): a fresh subkey and nonce for each piece, from 24
// random bytes. What was changed gives no byte back. Knows nothing of files and headers.
//
//   sealed:  24 nonce | as many bytes as the plain ones | 16 tag
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "crypto/key.hh"

namespace tmb::crypto {

inline constexpr std::size_t seal_nonce_bytes = 24;
inline constexpr std::size_t seal_tag_bytes = 16;
inline constexpr std::size_t seal_overhead = seal_nonce_bytes + seal_tag_bytes;

// A cipher context that one thread uses again. Movable, not shared.
class Sealer {
 public:
  Sealer();
  Sealer(Sealer&&) noexcept;
  Sealer& operator=(Sealer&&) noexcept;
  ~Sealer();

  // Appends the sealed `plain` to `out`. `aad` is not stored: whoever opens must bring the same.
  // Throws internal where there is no randomness.
  void seal(const Key& key, std::string_view aad, std::string_view plain, std::string& out);

  // Replaces `plain`. False, with `plain` emptied and its bytes wiped, for anything that was not sealed with
  // this key and `aad`.
  [[nodiscard]] bool open(const Key& key, std::string_view aad, std::string_view sealed, std::string& plain);

  // With the nonce given, for the published test vectors: 24 bytes that must never come twice.
  void seal_with_nonce(const Key& key, std::string_view nonce, std::string_view aad, std::string_view plain,
                       std::string& out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The same for one small piece.
std::string seal(const Key& key, std::string_view aad, std::string_view plain);
[[nodiscard]] bool open_sealed(const Key& key, std::string_view aad, std::string_view sealed,
                               std::string& plain);

// AES-256-GCM as others use it: a nonce of 12 bytes and a tag of 16 beside the ciphertext. Never used to
// seal.
[[nodiscard]] bool open_gcm(const Key& key, std::string_view nonce, std::string_view tag,
                            std::string_view aad, std::string_view ciphertext, std::string& plain);

}  // namespace tmb::crypto
