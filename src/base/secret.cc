// SPDX-License-Identifier: MIT
#include "base/secret.hh"

#include <cstring>

namespace tmb::base {

Secret& Secret::operator=(const Secret& other) {
  if (this != &other) {
    wipe();
    bytes_ = other.bytes_;
  }
  return *this;
}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    wipe();
    bytes_ = std::move(other.bytes_);
    other.wipe();
  }
  return *this;
}

void Secret::wipe() noexcept {
  // The whole capacity: a moved-from or shortened string may still hold old bytes behind its end.
  bytes_.resize(bytes_.capacity());
  explicit_bzero(bytes_.data(), bytes_.size());
  bytes_.clear();
}

}  // namespace tmb::base
