// SPDX-License-Identifier: MIT
#include "crypto/seal.hh"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/error.hh"
#include "catch.hh"
#include "crypto/sha256.hh"

using namespace tmb;
using namespace tmb::crypto;

namespace {

std::string hex_text(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    static constexpr std::string_view digits = "0123456789abcdef";
    out += digits[static_cast<unsigned char>(c) >> 4U];
    out += digits[static_cast<unsigned char>(c) & 15U];
  }
  return out;
}

std::string shake128(std::string_view bytes, std::size_t length) {
  std::string out(length, '\0');
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  EVP_DigestInit_ex(context, EVP_shake128(), nullptr);
  EVP_DigestUpdate(context, bytes.data(), bytes.size());
  EVP_DigestFinalXOF(context, reinterpret_cast<unsigned char*>(out.data()), out.size());
  EVP_MD_CTX_free(context);
  return out;
}

// Takes pieces from the front of a stream.
struct Stream {
  std::string bytes;
  std::size_t at = 0;
  std::string_view take(std::size_t count) {
    at += count;
    return std::string_view(bytes).substr(at - count, count);
  }
  std::string_view take_counted() { return take(static_cast<unsigned char>(take(1)[0])); }
};

}  // namespace

TEST_CASE("XAES-256-GCM agrees with the vectors of its specification", "[crypto]") {
  const std::string nonce = "ABCDEFGHIJKLMNOPQRSTUVWX";
  std::string out;
  Sealer sealer;
  sealer.seal_with_nonce(Key::from(std::string(32, '\x01')), nonce, "", "XAES-256-GCM", out);
  CHECK(hex_text(out.substr(24)) == "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271");
  out.clear();
  sealer.seal_with_nonce(Key::from(std::string(32, '\x03')), nonce, "c2sp.org/XAES-256-GCM", "XAES-256-GCM",
                         out);
  CHECK(hex_text(out.substr(24)) == "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d");
  CHECK(out.substr(0, 24) == nonce);
}

TEST_CASE("XAES-256-GCM agrees with ten thousand accumulated vectors", "[crypto]") {
  Stream stream{shake128("", std::size_t{8} << 20U)};
  REQUIRE(hex_text(stream.bytes.substr(0, 16)) == "7f9c2ba4e88f827d616045507605853e");
  Sealer sealer;
  std::string all;
  std::string back;
  for (int i = 0; i < 10000; ++i) {
    const Key key = Key::from(stream.take(32));
    const std::string_view nonce = stream.take(24);
    const std::string_view plain = stream.take_counted();
    const std::string_view aad = stream.take_counted();
    const std::size_t start = all.size();
    sealer.seal_with_nonce(key, nonce, aad, plain, all);
    const std::string sealed = all.substr(start);
    if (!sealer.open(key, aad, sealed, back) || back != plain) FAIL("does not open: " << i);
    all.erase(start, seal_nonce_bytes);
  }
  CHECK(hex_text(shake128(all, 32)) == "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939");
}

TEST_CASE("AES-256-GCM with a tag beside it agrees with the GCM specification's test case 16", "[crypto]") {
  const auto bytes = [](std::string_view digits) {
    std::string out;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
      out += static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16));
    return out;
  };
  const Key key = Key::from(bytes("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"));
  const std::string ciphertext = bytes(
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
      "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662");
  const std::string aad = bytes("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  const std::string nonce = bytes("cafebabefacedbaddecaf888");
  const std::string tag = bytes("76fc6ece0f4e1768cddf8853bb2d551b");
  std::string plain;
  REQUIRE(open_gcm(key, nonce, tag, aad, ciphertext, plain));
  CHECK(hex_text(plain) ==
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16a"
        "edf5aa0de"
        "657ba637b39");
  for (std::size_t length = 0; length < tag.size(); ++length) {
    CHECK_FALSE(open_gcm(key, nonce, tag.substr(0, length), aad, ciphertext, plain));
    CHECK(plain.empty());
  }
}

TEST_CASE("what was sealed opens with the same key and AAD alone", "[crypto]") {
  const Key key = Key::random();
  const std::string plain = "where somebody lives";
  const std::string sealed = seal(key, "aad", plain);
  CHECK(sealed.size() == plain.size() + seal_overhead);
  std::string back;
  REQUIRE(open_sealed(key, "aad", sealed, back));
  CHECK(back == plain);
  CHECK_FALSE(open_sealed(Key::random(), "aad", sealed, back));
  CHECK(back.empty());
  CHECK_FALSE(open_sealed(key, "aae", sealed, back));
  CHECK_FALSE(open_sealed(key, "", sealed, back));
}

TEST_CASE("every flipped bit and every other length of sealed bytes is refused and gives no byte",
          "[crypto]") {
  const Key key = Key::random();
  const std::string sealed = seal(key, "aad", "the way home");
  std::string back;
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    std::string changed = sealed;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    if (open_sealed(key, "aad", changed, back) || !back.empty()) FAIL("bit " << bit);
  }
  for (std::size_t length = 0; length < sealed.size(); ++length) {
    if (open_sealed(key, "aad", sealed.substr(0, length), back)) FAIL("length " << length);
  }
  CHECK_FALSE(open_sealed(key, "aad", sealed + '\0', back));
}

TEST_CASE("no nonce comes twice", "[crypto]") {
  const Key key = Key::random();
  Sealer sealer;
  std::vector<std::array<char, seal_nonce_bytes>> nonces(1000000);
  std::string out;
  for (auto& nonce : nonces) {
    out.clear();
    sealer.seal(key, "", "", out);
    std::copy_n(out.begin(), nonce.size(), nonce.begin());
  }
  std::ranges::sort(nonces);
  CHECK(std::ranges::adjacent_find(nonces) == nonces.end());
}
