// SPDX-License-Identifier: MIT
#include "repository/key_text.hh"

#include <cctype>
#include <cstdint>

#include "base/error.hh"
#include "crypto/key.hh"
#include "crypto/sha256.hh"

namespace tmb::repository {

namespace {

constexpr std::string_view prefix = "TMBK";
constexpr std::string_view alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t key_bytes = 20;
constexpr std::size_t key_digits = 32;
constexpr std::size_t check_digits = 4;

// `count` digits of five bits each, the first bits first.
std::string to_digits(std::string_view bytes, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) {
    unsigned value = 0;
    for (std::size_t bit = i * 5; bit < i * 5 + 5; ++bit)
      value = value * 2 + ((unsigned{static_cast<unsigned char>(bytes[bit / 8])} >> (7 - bit % 8)) & 1U);
    out += alphabet[value];
  }
  return out;
}

std::string check_of(std::string_view bytes) {
  crypto::Sha256 hash;
  hash.update("teslamate-backup key text\n");
  hash.update(bytes);
  return to_digits(crypto::as_bytes(hash.finish()), check_digits);
}

// Without blanks and dashes, in capitals; nullopt when it cannot be a generated key.
std::optional<std::string> digits_of(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '-' || c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
    out += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    if (out.size() > prefix.size() + key_digits + check_digits) return std::nullopt;
  }
  if (out.size() != prefix.size() + key_digits + check_digits || !out.starts_with(prefix))
    return std::nullopt;
  out.erase(0, prefix.size());
  for (char& c : out) {
    if (c == 'O') c = '0';
    if (c == 'I' || c == 'L') c = '1';
  }
  return out;
}

}  // namespace

base::Secret generate_key_text() {
  std::string bytes = crypto::random_bytes(key_bytes);
  std::string digits = to_digits(bytes, key_digits) + check_of(bytes);
  std::string text(prefix);
  for (std::size_t i = 0; i < digits.size(); i += 4) text.append("-").append(digits, i, 4);
  crypto::wipe(bytes.data(), bytes.size());
  crypto::wipe(digits.data(), digits.size());
  return base::Secret(std::move(text));
}

std::optional<base::Secret> parse_key_text(const base::Secret& text) {
  std::optional<std::string> digits = digits_of(text.reveal());
  if (!digits) return std::nullopt;
  std::string bytes(key_bytes, '\0');
  bool right = true;
  for (std::size_t i = 0; i < key_digits; ++i) {
    const std::size_t value = alphabet.find((*digits)[i]);
    right = right && value != std::string_view::npos;
    for (std::size_t bit = 0; right && bit < 5; ++bit) {
      if (((value >> (4 - bit)) & 1U) == 0) continue;
      char& byte = bytes[(i * 5 + bit) / 8];
      byte = static_cast<char>(static_cast<unsigned char>(byte) | (0x80U >> ((i * 5 + bit) % 8)));
    }
  }
  right = right && digits->substr(key_digits) == check_of(bytes);
  crypto::wipe(digits->data(), digits->size());
  if (!right) {
    throw base::Error(base::ExitCode::wrong_key, "the recovery key is mistyped: its check digits do not fit")
        .with_hint("compare it with the recovery sheet, group by group");
  }
  return base::Secret(std::move(bytes));
}

}  // namespace tmb::repository
