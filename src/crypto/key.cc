// SPDX-License-Identifier: MIT
#include "crypto/key.hh"

#include <openssl/crypto.h>

#include <algorithm>

#include "base/error.hh"
#include "crypto/sha256.hh"

namespace tmb::crypto {

Key Key::random() {
  std::string bytes = random_bytes(size);
  Key key = from(bytes);
  wipe(bytes.data(), bytes.size());
  return key;
}

Key Key::from(std::string_view bytes) {
  if (bytes.size() != size) throw base::Error(base::ExitCode::internal, "a key that is not 32 bytes long");
  Key key;
  std::ranges::copy(bytes, key.bytes_.begin());
  return key;
}

Key::~Key() { wipe(bytes_.data(), bytes_.size()); }

bool equal_secrets(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

void wipe(void* bytes, std::size_t count) noexcept { OPENSSL_cleanse(bytes, count); }

}  // namespace tmb::crypto
