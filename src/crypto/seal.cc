// SPDX-License-Identifier: MIT
#include "crypto/seal.hh"

#include <openssl/evp.h>

#include <algorithm>
#include <climits>

#include "crypto/openssl.hh"
#include "crypto/sha256.hh"

namespace tmb::crypto {

namespace {

using CipherContext = Owned<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;
using Block = std::array<unsigned char, 16>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// OpenSSL counts in int.
int length_of(std::string_view bytes) {
  if (bytes.size() > INT_MAX) throw base::Error(base::ExitCode::internal, "too much to seal at once");
  return static_cast<int>(bytes.size());
}

CipherContext new_context() {
  CipherContext context(EVP_CIPHER_CTX_new());
  if (!context) throw std::bad_alloc();
  return context;
}

// What GCM is run with.
struct Subkey {
  std::array<unsigned char, 32> key{};
  std::array<unsigned char, 12> nonce{};
  Subkey() = default;
  Subkey(const Subkey&) = delete;
  Subkey& operator=(const Subkey&) = delete;
  ~Subkey() { wipe(key.data(), key.size()); }
};

// False, with `plain` emptied and wiped, unless the tag is right. `tag` has 16 bytes.
bool decrypt(EVP_CIPHER_CTX* gcm, const Subkey& subkey, std::string_view tag, std::string_view aad,
             std::string_view ciphertext, std::string& plain) {
  std::array<unsigned char, seal_tag_bytes> expected{};
  std::copy_n(bytes_of(tag), expected.size(), expected.begin());
  require(EVP_DecryptInit_ex(gcm, EVP_aes_256_gcm(), nullptr, subkey.key.data(), subkey.nonce.data()), "GCM");
  require(EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_GCM_SET_TAG, seal_tag_bytes, expected.data()), "GCM");
  int length = 0;
  require(EVP_DecryptUpdate(gcm, nullptr, &length, bytes_of(aad), length_of(aad)), "GCM");
  plain.resize(ciphertext.size());
  auto* to = reinterpret_cast<unsigned char*>(plain.data());
  require(EVP_DecryptUpdate(gcm, to, &length, bytes_of(ciphertext), length_of(ciphertext)), "GCM");
  // The bytes stand in `plain` already, but they mean nothing before this says so.
  std::array<unsigned char, 16> none{};
  if (EVP_DecryptFinal_ex(gcm, none.data(), &length) == 1) return true;
  wipe(plain.data(), plain.size());
  plain.clear();
  return false;
}

}  // namespace

struct Sealer::Impl {
  CipherContext block = new_context();  // AES-256 on single blocks, for the subkey
  CipherContext gcm = new_context();

  void encrypt_block(Block& bytes) const {
    int length = 0;
    require(
        EVP_EncryptUpdate(block.get(), bytes.data(), &length, bytes.data(), static_cast<int>(bytes.size())),
        "AES-256");
    if (length != static_cast<int>(bytes.size()))
      throw base::Error(base::ExitCode::internal, "AES-256 gave no block");
  }

  // The subkey is a CMAC of the first half of the nonce; the second half is the nonce of GCM.
  void derive(const Key& key, std::string_view nonce, Subkey& out) const {
    require(EVP_EncryptInit_ex(block.get(), EVP_aes_256_ecb(), nullptr, bytes_of(key.reveal()), nullptr),
            "AES-256");
    require(EVP_CIPHER_CTX_set_padding(block.get(), 0), "AES-256");
    Block mask{};
    encrypt_block(mask);
    const unsigned carry = mask[0] >> 7U;
    for (std::size_t i = 0; i < mask.size(); ++i) {
      const unsigned next = i + 1 < mask.size() ? mask[i + 1] >> 7U : 0;
      mask[i] = static_cast<unsigned char>(((static_cast<unsigned>(mask[i]) << 1U) | next) & 0xFFU);
    }
    mask.back() ^= static_cast<unsigned char>(carry * 0x87U);
    for (unsigned char half = 0; half < 2; ++half) {
      Block message{0, static_cast<unsigned char>(half + 1), 'X', 0};
      std::copy_n(bytes_of(nonce), 12, message.begin() + 4);
      for (std::size_t i = 0; i < message.size(); ++i) message[i] ^= mask[i];
      encrypt_block(message);
      std::ranges::copy(message, out.key.begin() + half * 16);
      wipe(message.data(), message.size());
    }
    wipe(mask.data(), mask.size());
    std::copy_n(bytes_of(nonce) + 12, out.nonce.size(), out.nonce.begin());
  }
};

Sealer::Sealer() : impl_(std::make_unique<Impl>()) {}
Sealer::Sealer(Sealer&&) noexcept = default;
Sealer& Sealer::operator=(Sealer&&) noexcept = default;
Sealer::~Sealer() = default;

void Sealer::seal(const Key& key, std::string_view aad, std::string_view plain, std::string& out) {
  seal_with_nonce(key, random_bytes(seal_nonce_bytes), aad, plain, out);
}

void Sealer::seal_with_nonce(const Key& key, std::string_view nonce, std::string_view aad,
                             std::string_view plain, std::string& out) {
  if (nonce.size() != seal_nonce_bytes) throw base::Error(base::ExitCode::internal, "a nonce of no use");
  Subkey subkey;
  impl_->derive(key, nonce, subkey);
  EVP_CIPHER_CTX* gcm = impl_->gcm.get();
  require(EVP_EncryptInit_ex(gcm, EVP_aes_256_gcm(), nullptr, subkey.key.data(), subkey.nonce.data()), "GCM");
  int length = 0;
  require(EVP_EncryptUpdate(gcm, nullptr, &length, bytes_of(aad), length_of(aad)), "GCM");
  const std::size_t start = out.size();
  out.resize(start + seal_overhead + plain.size());
  std::ranges::copy(nonce, out.begin() + static_cast<std::ptrdiff_t>(start));
  auto* to = reinterpret_cast<unsigned char*>(out.data()) + start + seal_nonce_bytes;
  require(EVP_EncryptUpdate(gcm, to, &length, bytes_of(plain), length_of(plain)), "GCM");
  require(EVP_EncryptFinal_ex(gcm, to + length, &length), "GCM");
  require(EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_GCM_GET_TAG, seal_tag_bytes, to + plain.size()), "GCM");
}

bool Sealer::open(const Key& key, std::string_view aad, std::string_view sealed, std::string& plain) {
  plain.clear();
  // OpenSSL would take a shorter tag, too: all sixteen bytes must be there.
  if (sealed.size() < seal_overhead) return false;
  const std::string_view nonce = sealed.substr(0, seal_nonce_bytes);
  const std::string_view body = sealed.substr(seal_nonce_bytes, sealed.size() - seal_overhead);
  const std::string_view tag = sealed.substr(seal_nonce_bytes + body.size());
  Subkey subkey;
  impl_->derive(key, nonce, subkey);
  return decrypt(impl_->gcm.get(), subkey, tag, aad, body, plain);
}

std::string seal(const Key& key, std::string_view aad, std::string_view plain) {
  std::string out;
  Sealer().seal(key, aad, plain, out);
  return out;
}

bool open_sealed(const Key& key, std::string_view aad, std::string_view sealed, std::string& plain) {
  return Sealer().open(key, aad, sealed, plain);
}

bool open_gcm(const Key& key, std::string_view nonce, std::string_view tag, std::string_view aad,
              std::string_view ciphertext, std::string& plain) {
  plain.clear();
  Subkey subkey;
  if (nonce.size() != subkey.nonce.size() || tag.size() != seal_tag_bytes) return false;
  std::copy_n(bytes_of(key.reveal()), subkey.key.size(), subkey.key.begin());
  std::copy_n(bytes_of(nonce), subkey.nonce.size(), subkey.nonce.begin());
  return decrypt(new_context().get(), subkey, tag, aad, ciphertext, plain);
}

}  // namespace tmb::crypto
