// SPDX-License-Identifier: MIT
#include "http/probe.hh"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <thread>

#include "base/error.hh"
#include "base/fd.hh"
#include "catch.hh"

using namespace tmb;

namespace {

// Answers one connection with `text`, then closes.
class OneAnswer {
 public:
  explicit OneAnswer(std::string text) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    REQUIRE(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), length) == 0);
    REQUIRE(::listen(fd_.get(), 1) == 0);
    ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this, text = std::move(text)] {
      const base::UniqueFd client(::accept(fd_.get(), nullptr, nullptr));
      std::array<char, 4096> request{};
      [[maybe_unused]] const ssize_t got = ::read(client.get(), request.data(), request.size());
      base::write_all(client.get(), text, "client");
    });
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/health_check"; }

 private:
  base::UniqueFd fd_;
  int port_ = 0;
  std::jthread thread_;
};

constexpr auto soon = std::chrono::milliseconds(5000);

}  // namespace

TEST_CASE("a probe tells the status that the address answers with") {
  const OneAnswer ok("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
  CHECK(http::probe(ok.url(), soon).is_success());
  const OneAnswer broken("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
  const http::Answer answer = http::probe(broken.url(), soon);
  CHECK(answer.status == 500);
  CHECK_FALSE(answer.is_success());
}

TEST_CASE("a redirect is an answer, not a way to go") {
  const OneAnswer redirect(
      "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
  CHECK(http::probe(redirect.url(), soon).status == 302);
}

TEST_CASE("nobody listening is no status but a reason") {
  const http::Answer answer = http::probe("http://127.0.0.1:1/", soon);
  CHECK(answer.status == 0);
  CHECK_FALSE(answer.error.empty());
}

TEST_CASE("only http and https are asked") {
  CHECK_THROWS_AS(http::probe("file:///etc/passwd", soon), base::Error);
  CHECK_THROWS_AS(http::probe("", soon), base::Error);
}
