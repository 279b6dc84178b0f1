// SPDX-License-Identifier: MIT
#include "teslamate/vault.hh"

#include "catch.hh"
#include "crypto/sha256.hh"

using namespace tmb;
using namespace tmb::teslamate;

namespace {

// Sealed with the key "sample-encryption-key" by another implementation (OpenSSL through Python's ctypes).
const std::string token =
    "010a4145532e47434d2e5631000102030405060708090a0b25b01ebb39765518dcd573a591838bc07f7c47a833b0008feaeef41a"
    "58d627d822";

std::string bytes_of(const std::string& hex) {
  std::string out;
  for (std::size_t i = 0; i < hex.size(); i += 2)
    out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return out;
}

const base::Secret right("sample-encryption-key");
const base::Secret other("another key");

}  // namespace

TEST_CASE("a stored token opens with its key alone", "[vault]") {
  CHECK(try_key(right, bytes_of(token)) == KeyAnswer::right);
  CHECK(try_key(other, bytes_of(token)) == KeyAnswer::wrong);
  CHECK(try_key(base::Secret("sample-encryption-key\n"), bytes_of(token)) == KeyAnswer::wrong);
  CHECK(try_key(base::Secret(""), bytes_of(token)) == KeyAnswer::cannot_tell);
}

TEST_CASE("a token in another layout is no proof of a wrong key", "[vault]") {
  const std::string good = bytes_of(token);
  CHECK(try_key(right, "") == KeyAnswer::cannot_tell);
  CHECK(try_key(right, "plain text of long ago") == KeyAnswer::cannot_tell);
  CHECK(try_key(right, good.substr(0, 39)) == KeyAnswer::cannot_tell);
  for (std::size_t i = 0; i < 12; ++i) {
    std::string changed = good;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    CHECK(try_key(right, changed) == KeyAnswer::cannot_tell);
  }
  for (std::size_t i = 12; i < good.size(); ++i) {
    std::string changed = good;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    CHECK(try_key(right, changed) == KeyAnswer::wrong);
  }
}

TEST_CASE("the report counts and says it in words", "[vault]") {
  const std::string text = "\\x" + token;
  const VaultReport fine = judge_values({text, text}, right);
  CHECK(fine.answer == KeyAnswer::right);
  CHECK(fine.sentence == "the 2 stored tokens open with ENCRYPTION_KEY");
  const VaultReport wrong = judge_values({text, text}, other);
  CHECK(wrong.answer == KeyAnswer::wrong);
  CHECK(wrong.refused == 2);
  CHECK(judge_values({text}, base::Secret()).answer == KeyAnswer::cannot_tell);
  CHECK(judge_values({}, right).answer == KeyAnswer::cannot_tell);
  CHECK(judge_values({"\\x00", "odd"}, right).strange == 2);
  CHECK(judge_values({"\\x00", text}, right).answer == KeyAnswer::right);
}

TEST_CASE("a fingerprint tells its key from others and is never the same twice", "[vault]") {
  const std::string fingerprint = vault_fingerprint(right);
  CHECK(compare_fingerprint(fingerprint, right) == KeyAnswer::right);
  CHECK(compare_fingerprint(fingerprint, other) == KeyAnswer::wrong);
  CHECK(compare_fingerprint("", right) == KeyAnswer::cannot_tell);
  CHECK(compare_fingerprint("2:ab:cd", right) == KeyAnswer::cannot_tell);
  CHECK(compare_fingerprint("1:", right) != KeyAnswer::right);
  CHECK(compare_fingerprint(fingerprint, base::Secret()) == KeyAnswer::cannot_tell);
  CHECK(vault_fingerprint(right) != fingerprint);
  CHECK(fingerprint.find(crypto::hex(crypto::sha256(right.reveal()))) == std::string::npos);
}
