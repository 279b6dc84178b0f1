// SPDX-License-Identifier: MIT
// Bytes that must not be printed: no stream operator, no implicit conversion, wiped when they go.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace tmb::base {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string bytes) : bytes_(std::move(bytes)) {}
  Secret(const Secret&) = default;
  Secret(Secret&& other) noexcept : bytes_(std::move(other.bytes_)) { other.wipe(); }
  Secret& operator=(const Secret& other);
  Secret& operator=(Secret&& other) noexcept;
  ~Secret() { wipe(); }

  bool empty() const { return bytes_.empty(); }
  // The one way to the bytes, named so that a review finds every use.
  const std::string& reveal() const { return bytes_; }

 private:
  void wipe() noexcept;
  std::string bytes_;
};

}  // namespace tmb::base
