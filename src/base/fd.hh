// SPDX-License-Identifier: MIT
// The one owner of a file descriptor, and loops that finish what a short read or EINTR left.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace tmb::base {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset();  // ignores what close() says; use close_checked() after a write
  // Throws local_io when close() reports a write that failed late.
  void close_checked(std::string_view path);

 private:
  int fd_ = -1;
};

// Writes all of `bytes`. Throws local_io naming `path`.
void write_all(int fd, std::string_view bytes, std::string_view path);
// Reads until `out` is full or the file ends; returns the bytes read. Throws local_io naming `path`.
std::size_t read_some(int fd, std::span<char> out, std::string_view path);

}  // namespace tmb::base
