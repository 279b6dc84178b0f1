// SPDX-License-Identifier: MIT
#include "crypto/derive.hh"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <array>
#include <string>

#include "crypto/openssl.hh"

namespace tmb::crypto {

namespace {

using Mac = Owned<EVP_MAC, EVP_MAC_free>;
using MacContext = Owned<EVP_MAC_CTX, EVP_MAC_CTX_free>;
using Kdf = Owned<EVP_KDF, EVP_KDF_free>;
using KdfContext = Owned<EVP_KDF_CTX, EVP_KDF_CTX_free>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// OpenSSL takes input parameters by pointers that are not const; it does not write through them.
OSSL_PARAM octets(const char* name, std::string_view bytes) {
  return OSSL_PARAM_construct_octet_string(name, const_cast<char*>(bytes.data()), bytes.size());
}

}  // namespace

struct Hmac::Impl {
  MacContext context;
};

Hmac::Hmac(std::string_view key) : impl_(std::make_unique<Impl>()) {
  const Mac mac(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
  impl_->context.reset(mac ? EVP_MAC_CTX_new(mac.get()) : nullptr);
  if (!impl_->context) throw base::Error(base::ExitCode::internal, "OpenSSL has no HMAC");
  std::array<char, 7> digest{"SHA256"};
  const std::array parameters{OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
                              OSSL_PARAM_construct_end()};
  // Without a key OpenSSL would take the one of before.
  const std::string_view given = key.empty() ? std::string_view("") : key;
  require(EVP_MAC_init(impl_->context.get(), bytes_of(given), given.size(), parameters.data()), "HMAC");
}
Hmac::Hmac(Hmac&&) noexcept = default;
Hmac& Hmac::operator=(Hmac&&) noexcept = default;
Hmac::~Hmac() = default;

void Hmac::update(std::string_view bytes) {
  require(EVP_MAC_update(impl_->context.get(), bytes_of(bytes), bytes.size()), "HMAC");
}

Digest Hmac::finish() {
  Digest digest{};
  std::size_t length = 0;
  require(EVP_MAC_final(impl_->context.get(), digest.data(), &length, digest.size()), "HMAC");
  if (length != digest.size()) throw base::Error(base::ExitCode::internal, "HMAC of another length");
  return digest;
}

Digest hmac_sha256(std::string_view key, std::string_view bytes) {
  Hmac hmac(key);
  hmac.update(bytes);
  return hmac.finish();
}

base::Secret hkdf_sha256(std::string_view key, std::string_view salt, std::string_view info,
                         std::size_t length) {
  const Kdf kdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr));
  const KdfContext context(kdf ? EVP_KDF_CTX_new(kdf.get()) : nullptr);
  if (!context) throw base::Error(base::ExitCode::internal, "OpenSSL has no HKDF");
  std::array<char, 7> digest{"SHA256"};
  const std::array parameters{
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
      octets(OSSL_KDF_PARAM_KEY, key),
      octets(OSSL_KDF_PARAM_SALT, salt),
      octets(OSSL_KDF_PARAM_INFO, info),
      OSSL_PARAM_construct_end(),
  };
  std::string out(length, '\0');
  require(
      EVP_KDF_derive(context.get(), reinterpret_cast<unsigned char*>(out.data()), length, parameters.data()),
      "HKDF");
  return base::Secret(std::move(out));
}

Key derive_key(const Key& key, std::string_view salt, std::string_view info) {
  return Key::from(hkdf_sha256(key.reveal(), salt, info, Key::size).reveal());
}

std::uint64_t ScryptCost::memory() const {
  // V takes 128 r n bytes, B 128 r p, and there is a little besides.
  std::uint64_t block = 0;
  std::uint64_t out = 0;
  if (__builtin_mul_overflow(std::uint64_t{128}, std::uint64_t{r}, &block) ||
      __builtin_mul_overflow(block, n + p + 3 < n ? UINT64_MAX : n + p + 3, &out)) {
    return UINT64_MAX;
  }
  return out;
}

base::Secret scrypt(std::string_view passphrase, std::string_view salt, const ScryptCost& cost,
                    std::size_t length) {
  std::string out(length, '\0');
  // The limit that OpenSSL has by itself, 32 MiB, is too low for any cost worth having.
  require(EVP_PBE_scrypt(passphrase.data(), passphrase.size(), bytes_of(salt), salt.size(), cost.n, cost.r,
                         cost.p, cost.memory(), reinterpret_cast<unsigned char*>(out.data()), out.size()),
          "scrypt");
  return base::Secret(std::move(out));
}

}  // namespace tmb::crypto
