// SPDX-License-Identifier: MIT
// Seals a text the way TeslaMate's vault stores a token, with a key everybody knows. For samples only:
// the nonce comes from the caller so that the output is reproducible.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace tmb::sample {

// What ENCRYPTION_KEY has to be for the sample's tokens to open.
constexpr std::string_view sample_encryption_key = "sample-encryption-key";

// The bytes of private.tokens.access or .refresh as hexadecimal digits, without "\x".
std::string sealed_token_hex(std::string_view plain, std::string_view encryption_key,
                             const std::array<std::uint8_t, 12>& nonce);

}  // namespace tmb::sample
