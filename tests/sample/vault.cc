// SPDX-License-Identifier: MIT
#include "vault.hh"

#include <openssl/evp.h>

#include <memory>
#include <vector>

#include "base/error.hh"

namespace tmb::sample {

namespace {

constexpr std::string_view tag_name = "AES.GCM.V1";
constexpr std::string_view additional_data = "AES256GCM";
constexpr int mac_size = 16;

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

void check(int result) {
  if (result != 1) {
    throw base::Error(base::ExitCode::internal, "sealing a sample token: OpenSSL refused");
  }
}

std::vector<std::uint8_t> bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

}  // namespace

std::string sealed_token_hex(std::string_view plain, std::string_view encryption_key,
                             const std::array<std::uint8_t, 12>& nonce) {
  std::array<std::uint8_t, 32> key{};
  unsigned key_size = 0;
  check(
      EVP_Digest(encryption_key.data(), encryption_key.size(), key.data(), &key_size, EVP_sha256(), nullptr));

  const std::unique_ptr<EVP_CIPHER_CTX, FreeContext> context(EVP_CIPHER_CTX_new());
  const std::vector<std::uint8_t> input = bytes_of(plain);
  const std::vector<std::uint8_t> authenticated = bytes_of(additional_data);
  std::vector<std::uint8_t> sealed(input.size());
  std::array<std::uint8_t, mac_size> mac{};
  int length = 0;
  check(EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.data(), nonce.data()));
  check(EVP_EncryptUpdate(context.get(), nullptr, &length, authenticated.data(),
                          static_cast<int>(authenticated.size())));
  check(
      EVP_EncryptUpdate(context.get(), sealed.data(), &length, input.data(), static_cast<int>(input.size())));
  check(EVP_EncryptFinal_ex(context.get(), mac.data(), &length));
  check(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, mac_size, mac.data()));

  std::vector<std::uint8_t> value{0x01, static_cast<std::uint8_t>(tag_name.size())};
  const auto append = [&value](const auto& part) { value.insert(value.end(), part.begin(), part.end()); };
  append(tag_name);
  append(nonce);
  append(mac);
  append(sealed);

  static constexpr std::string_view digits = "0123456789abcdef";
  std::string hex;
  for (const std::uint8_t byte : value) {
    hex += digits[byte >> 4U];
    hex += digits[byte & 15U];
  }
  return hex;
}

}  // namespace tmb::sample
