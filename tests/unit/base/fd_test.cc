// SPDX-License-Identifier: MIT
#include "base/fd.hh"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <thread>
#include <utility>

#include "base/error.hh"
#include "catch.hh"

using tmb::base::UniqueFd;

namespace {

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

UniqueFd null_device() { return UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC)); }

std::pair<UniqueFd, UniqueFd> pipe_ends() {
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

}  // namespace

TEST_CASE("a descriptor is closed when its owner goes") {
  int number = -1;
  {
    const UniqueFd fd = null_device();
    number = fd.get();
    CHECK(is_open(number));
  }
  CHECK_FALSE(is_open(number));
}

TEST_CASE("a moved descriptor has one owner, and the one it replaces is closed") {
  UniqueFd first = null_device();
  UniqueFd second = null_device();
  const int kept = first.get();
  const int replaced = second.get();
  second = std::move(first);
  CHECK(second.get() == kept);
  CHECK(is_open(kept));
  CHECK_FALSE(is_open(replaced));
  CHECK_FALSE(static_cast<bool>(first));  // NOLINT(bugprone-use-after-move): that it is empty is the point
}

TEST_CASE("a released descriptor is left open") {
  UniqueFd fd = null_device();
  const int number = fd.release();
  CHECK_FALSE(static_cast<bool>(fd));
  fd.reset();
  CHECK(is_open(number));
  ::close(number);
}

TEST_CASE("close_checked reports a close that failed, naming the path, and does not close twice") {
  const int number = null_device().get();  // closed again by the end of this line
  UniqueFd stale(number);
  try {
    stale.close_checked("some/file");
    FAIL("nothing was thrown");
  } catch (const tmb::base::Error& error) {
    CHECK(error.code() == tmb::base::ExitCode::local_io);
    CHECK_THAT(error.message(), tmb::test::ContainsSubstring("some/file"));
  }
  CHECK_FALSE(static_cast<bool>(stale));
}

TEST_CASE("write_all goes on after short writes until every byte is through") {
  auto [reader, writer] = pipe_ends();
  ::fcntl(writer.get(), F_SETFL, O_NONBLOCK);  // full pipes and EAGAIN are part of it
  std::string sent(1'000'000, '\0');
  for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i % 251);
  std::thread thread([&sent, out = std::move(writer)] { tmb::base::write_all(out.get(), sent, "pipe"); });
  std::string received(sent.size() + 1, '\0');
  received.resize(tmb::base::read_some(reader.get(), received, "pipe"));
  thread.join();
  CHECK(received == sent);
}

TEST_CASE("write_all to a full disk is local_io and names the file") {
  const UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  REQUIRE(full);
  try {
    tmb::base::write_all(full.get(), "x", "the/object");
    FAIL("nothing was thrown");
  } catch (const tmb::base::Error& error) {
    CHECK(error.code() == tmb::base::ExitCode::local_io);
    CHECK_THAT(error.message(), tmb::test::ContainsSubstring("the/object"));
    CHECK_THAT(error.message(), tmb::test::ContainsSubstring("No space left on device"));
  }
}

TEST_CASE("read_some returns what is there at the end of the input") {
  auto [reader, writer] = pipe_ends();
  tmb::base::write_all(writer.get(), "abc", "pipe");
  writer.reset();
  std::array<char, 8> out{};
  CHECK(tmb::base::read_some(reader.get(), out, "pipe") == 3);
  CHECK(std::string(out.data(), 3) == "abc");
  CHECK(tmb::base::read_some(reader.get(), out, "pipe") == 0);
}

TEST_CASE("read_some on something unreadable is local_io") {
  const UniqueFd write_only(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  std::array<char, 8> out{};
  CHECK_THROWS_AS(tmb::base::read_some(write_only.get(), out, "x"), tmb::base::Error);
}
