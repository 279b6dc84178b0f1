// SPDX-License-Identifier: MIT
// SHA-256 (FIPS 180-4) over bytes in memory or in pieces. The only user of OpenSSL is this folder.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

namespace tmb::crypto {

using Digest = std::array<unsigned char, 32>;

class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  ~Sha256();
  void update(std::string_view bytes);
  Digest finish();  // ends this object's use

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

Digest sha256(std::string_view bytes);
std::string hex(const Digest& digest);  // 64 lower-case digits
std::string_view as_bytes(const Digest& digest);

// `count` bytes from the system's generator. Throws internal when it fails; there is no fallback.
std::string random_bytes(std::size_t count);
std::string random_hex(std::size_t bytes);

}  // namespace tmb::crypto
