// SPDX-License-Identifier: MIT
// 256 bits of key that wipe themselves and cannot be printed. Knows nothing of files or passphrases.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace tmb::crypto {

class Key {
 public:
  static constexpr std::size_t size = 32;

  static Key random();
  // Throws internal unless there are exactly 32 bytes.
  static Key from(std::string_view bytes);

  Key(const Key& other) = default;
  Key& operator=(const Key& other) = default;
  ~Key();

  // The one way to the bytes, named so that a review finds every use.
  std::string_view reveal() const { return {reinterpret_cast<const char*>(bytes_.data()), size}; }

 private:
  Key() = default;
  std::array<unsigned char, size> bytes_{};
};

// Without telling by its duration where they differ.
bool equal_secrets(std::string_view a, std::string_view b);

// Overwrites memory that held a secret.
void wipe(void* bytes, std::size_t count) noexcept;

}  // namespace tmb::crypto
