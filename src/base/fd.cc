// SPDX-License-Identifier: MIT
#include "base/fd.hh"

#include <unistd.h>

#include <cerrno>

#include "base/error.hh"

namespace tmb::base {

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void UniqueFd::reset() {
  // No loop on EINTR: Linux has closed the descriptor by then, and another thread may own its number.
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void UniqueFd::close_checked(std::string_view path) {
  if (fd_ >= 0 && ::close(std::exchange(fd_, -1)) != 0 && errno != EINTR) {
    throw system_error(errno, "cannot close " + printable(path));
  }
}

void write_all(int fd, std::string_view bytes, std::string_view path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      throw system_error(errno, "cannot write " + printable(path));
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

std::size_t read_some(int fd, std::span<char> out, std::string_view path) {
  std::size_t total = 0;
  while (total < out.size()) {
    const ssize_t got = ::read(fd, out.data() + total, out.size() - total);
    if (got < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      throw system_error(errno, "cannot read " + printable(path));
    }
    if (got == 0) break;
    total += static_cast<std::size_t>(got);
  }
  return total;
}

}  // namespace tmb::base
