// SPDX-License-Identifier: MIT
#include "teslamate/epmd.hh"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <memory>

#include "base/fd.hh"

namespace tmb::teslamate {

namespace {

constexpr int patience_ms = 1000;

bool wait_for(int fd, short what) {
  pollfd wait{fd, what, 0};
  return ::poll(&wait, 1, patience_ms) == 1;
}

base::UniqueFd connect_to(const addrinfo& address) {
  base::UniqueFd fd(
      ::socket(address.ai_family, address.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, address.ai_protocol));
  if (!fd) return {};
  if (::connect(fd.get(), address.ai_addr, address.ai_addrlen) == 0) return fd;
  int error = 0;
  socklen_t size = sizeof error;
  const bool connected = errno == EINPROGRESS && wait_for(fd.get(), POLLOUT) &&
                         ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
  return connected ? std::move(fd) : base::UniqueFd();
}

}  // namespace

std::optional<bool> is_node_registered(const std::string& node, const std::string& port) {
  const std::size_t at = node.find('@');
  const std::string name = node.substr(0, at);
  const std::string host = at == std::string::npos ? "localhost" : node.substr(at + 1);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), port.empty() ? "4369" : port.c_str(), &hints, &found) != 0)
    return std::nullopt;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    const base::UniqueFd fd = connect_to(*address);
    if (!fd) continue;
    const std::size_t length = name.size() + 1;
    std::string request{static_cast<char>(length >> 8U), static_cast<char>(length & 0xFFU), 'z'};
    request += name;
    std::array<char, 2> answer{};
    if (::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size()))
      continue;
    if (!wait_for(fd.get(), POLLIN) || ::recv(fd.get(), answer.data(), answer.size(), 0) < 2 ||
        answer[0] != 'w')
      continue;
    return answer[1] == 0;
  }
  return std::nullopt;
}

}  // namespace tmb::teslamate
