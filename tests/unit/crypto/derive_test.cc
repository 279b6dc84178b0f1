// SPDX-License-Identifier: MIT
#include "crypto/derive.hh"

#include "base/error.hh"
#include "catch.hh"

using namespace tmb;
using namespace tmb::crypto;

namespace {

std::string unhex(std::string_view digits) {
  std::string out;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    out += static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16));
  return out;
}

}  // namespace

TEST_CASE("HMAC-SHA-256 agrees with RFC 4231", "[crypto]") {
  CHECK(hex(hmac_sha256(std::string(20, '\x0b'), "Hi There")) ==
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  CHECK(hex(hmac_sha256("Jefe", "what do ya want for nothing?")) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(
      hex(hmac_sha256(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First")) ==
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  Hmac pieces("Jefe");
  pieces.update("what do ya want ");
  pieces.update("for nothing?");
  CHECK(pieces.finish() == hmac_sha256("Jefe", "what do ya want for nothing?"));
}

TEST_CASE("HKDF-SHA-256 agrees with RFC 5869", "[crypto]") {
  CHECK(hkdf_sha256(std::string(22, '\x0b'), unhex("000102030405060708090a0b0c"),
                    unhex("f0f1f2f3f4f5f6f7f8f9"), 42)
            .reveal() ==
        unhex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"));
  CHECK(hkdf_sha256(std::string(22, '\x0b'), "", "", 42).reveal() ==
        unhex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"));
}

TEST_CASE("scrypt agrees with RFC 7914", "[crypto]") {
  CHECK(scrypt("", "", {16, 1, 1}, 64).reveal() ==
        unhex("77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
              "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"));
  CHECK(scrypt("password", "NaCl", {1024, 8, 16}, 64).reveal() ==
        unhex("fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
              "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"));
  CHECK(scrypt("pleaseletmein", "SodiumChloride", {16384, 8, 1}, 64).reveal() ==
        unhex("7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
              "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"));
}

TEST_CASE("scrypt needs more memory than OpenSSL allows by itself, and a cost that exists", "[crypto]") {
  CHECK(scrypt("x", "y", {32768, 8, 1}, 32).reveal().size() == 32);
  CHECK_THROWS_AS(scrypt("x", "y", {1000, 8, 1}, 32), base::Error);
  CHECK(ScryptCost{131072, 8, 1}.memory() / (1U << 20U) == 128);
  CHECK(ScryptCost{std::uint64_t{1} << 60U, 8, 1}.memory() == UINT64_MAX);
  CHECK(ScryptCost{UINT64_MAX, UINT32_MAX, UINT32_MAX}.memory() == UINT64_MAX);
}

TEST_CASE("subkeys differ by purpose and by salt", "[crypto]") {
  const Key master = Key::random();
  const Key a = derive_key(master, "salt", "a");
  CHECK(a.reveal() == derive_key(master, "salt", "a").reveal());
  CHECK(a.reveal() != derive_key(master, "salt", "b").reveal());
  CHECK(a.reveal() != derive_key(master, "other", "a").reveal());
  CHECK_THROWS_AS(Key::from("short"), base::Error);
}
