// SPDX-License-Identifier: MIT
// A small, fast random source (xoshiro256**) whose numbers are the same on every machine and with every
// standard library, so that one seed gives one database. Not for secrets.
#pragma once

#include <cmath>
#include <cstdint>

namespace tmb::sample {

class Random {
 public:
  explicit Random(std::uint64_t seed) {
    for (auto& word : state_) {
      seed += 0x9e3779b97f4a7c15U;
      std::uint64_t mixed = seed;
      mixed = (mixed ^ (mixed >> 30U)) * 0xbf58476d1ce4e5b9U;
      mixed = (mixed ^ (mixed >> 27U)) * 0x94d049bb133111ebU;
      word = mixed ^ (mixed >> 31U);
    }
  }

  std::uint64_t next() {
    const std::uint64_t result = rotate(state_[1] * 5U, 7U) * 9U;
    const std::uint64_t shifted = state_[1] << 17U;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = rotate(state_[3], 45U);
    return result;
  }

  // In [0, 1).
  double unit() { return static_cast<double>(next() >> 11U) * 0x1.0p-53; }
  // In [low, high).
  double real(double low, double high) { return low + (high - low) * unit(); }
  // In [low, high], both included.
  int integer(int low, int high) {
    return low + static_cast<int>(next() % static_cast<std::uint64_t>(high - low + 1));
  }
  bool chance(double probability) { return unit() < probability; }
  // Mean 0, deviation 1, never beyond 3.5: the sum of four uniform numbers, cheap and without tails.
  double bell() {
    const std::uint64_t bits = next();
    const auto part = [bits](unsigned shift) { return static_cast<double>((bits >> shift) & 0xffffU); };
    return ((part(0) + part(16) + part(32) + part(48)) / 65536.0 - 2.0) * std::sqrt(3.0);
  }

 private:
  static std::uint64_t rotate(std::uint64_t value, unsigned by) {
    return (value << by) | (value >> (64U - by));
  }
  std::uint64_t state_[4];
};

}  // namespace tmb::sample
