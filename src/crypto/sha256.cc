// SPDX-License-Identifier: MIT
#include "crypto/sha256.hh"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/error.hh"

namespace tmb::crypto {

namespace {

void require(int openssl_result, const char* what) {
  if (openssl_result != 1)
    throw base::Error(base::ExitCode::internal, std::string(what) + " failed in OpenSSL");
}

std::string hex_of(const unsigned char* bytes, std::size_t count) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  out.reserve(count * 2);
  for (std::size_t i = 0; i < count; ++i) {
    out += digits[bytes[i] >> 4U];
    out += digits[bytes[i] & 15U];
  }
  return out;
}

}  // namespace

struct Sha256::Impl {
  Impl() : context(EVP_MD_CTX_new()) {
    if (context == nullptr) throw std::bad_alloc();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { EVP_MD_CTX_free(context); }
  EVP_MD_CTX* context;
};

Sha256::Sha256() : impl_(std::make_unique<Impl>()) {
  require(EVP_DigestInit_ex(impl_->context, EVP_sha256(), nullptr), "SHA-256");
}
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::update(std::string_view bytes) {
  require(EVP_DigestUpdate(impl_->context, bytes.data(), bytes.size()), "SHA-256");
}

Digest Sha256::finish() {
  Digest digest{};
  require(EVP_DigestFinal_ex(impl_->context, digest.data(), nullptr), "SHA-256");
  return digest;
}

Digest sha256(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

std::string hex(const Digest& digest) { return hex_of(digest.data(), digest.size()); }

std::string_view as_bytes(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::string random_bytes(std::size_t count) {
  std::string out(count, '\0');
  require(RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(count)),
          "the random generator");
  return out;
}

std::string random_hex(std::size_t bytes) {
  const std::string raw = random_bytes(bytes);
  return hex_of(reinterpret_cast<const unsigned char*>(raw.data()), raw.size());
}

}  // namespace tmb::crypto
