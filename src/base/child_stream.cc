// SPDX-License-Identifier: MIT
#include "base/child_stream.hh"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.hh"
#include "base/spawn.hh"

namespace tmb::base {

namespace {

constexpr std::size_t errors_kept = 65536;

// Bytes of `from` into the pipe, until either side has had enough.
void feed_child(ByteSource& from, const UniqueFd& into, const std::stop_token& stop) {
  std::vector<char> buffer(std::size_t{256} << 10U);
  while (!stop.stop_requested()) {
    const std::size_t got = from.read(buffer);
    if (got == 0) return;
    for (std::size_t at = 0; at < got;) {
      const ssize_t wrote = ::write(into.get(), buffer.data() + at, got - at);
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) return;  // the child reads no more; why, it says itself
      at += static_cast<std::size_t>(wrote);
    }
  }
}

}  // namespace

struct ChildStream::Impl {
  explicit Impl(const ProcessOptions& o) : options(o) {}

  void take_errors() {
    std::array<char, 4096> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    const ssize_t got = ::read(child.errors.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) return;
    if (got <= 0) {
      child.errors.reset();
      return;
    }
    errors.append(buffer.data(), std::min(static_cast<std::size_t>(got), errors_kept - errors.size()));
  }

  bool has_ended() {
    if (child.pid > 0 && child_has_ended(child.pid)) code = wait_for_child(std::exchange(child.pid, -1));
    return child.pid <= 0;
  }

  void check_patience(std::chrono::steady_clock::time_point silent_since) const {
    if (patience.count() > 0 && std::chrono::steady_clock::now() - silent_since > patience) {
      throw Error(ExitCode::local_io, printable(options.argv.front()) + " has been silent for " +
                                          std::to_string(patience.count()) + " seconds");
    }
    if (options.stop.stop_requested()) throw Error(ExitCode::interrupted, "interrupted");
  }

  // It may have closed its output long before.
  void end() {
    const auto since = std::chrono::steady_clock::now();
    while (child.errors || child.pid > 0) {
      check_patience(since);
      pollfd wait{child.errors.get(), POLLIN, 0};
      ::poll(&wait, 1, child.errors ? 100 : 2);
      if (wait.revents != 0) take_errors();
      has_ended();
    }
    if (feeder.joinable()) feeder.join();
    if (fed_badly) std::rethrow_exception(fed_badly);
  }

  ProcessOptions options;
  SpawnedChild child;
  std::string errors;
  std::chrono::seconds patience{0};  // 0: unlimited
  int code = -1;
  std::exception_ptr fed_badly;  // written by the feeder, read after it was joined
  std::jthread feeder;
};

ChildStream::ChildStream(const ProcessOptions& options, UniqueFd input)
    : impl_(std::make_unique<Impl>(options)) {
  impl_->child = spawn(options, std::move(input));
}

ChildStream::ChildStream(const ProcessOptions& options, ByteSource& feed)
    : impl_(std::make_unique<Impl>(options)) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw system_error(errno, "cannot create a pipe");
  UniqueFd out(ends[1]);
  impl_->child = spawn(options, UniqueFd(ends[0]));
  impl_->feeder =
      std::jthread([impl = impl_.get(), &feed, into = std::move(out)](const std::stop_token& stop) mutable {
        try {
          feed_child(feed, into, stop);
        } catch (...) {
          impl->fed_badly = std::current_exception();
        }
        into.reset();
      });
}

ChildStream::~ChildStream() {
  if (impl_->child.pid > 0) {
    ::kill(-impl_->child.pid, SIGKILL);
    wait_for_child(impl_->child.pid);
  }
}

void ChildStream::end_with(int signal, std::chrono::seconds patience) {
  if (has_ended()) return;
  const pid_t pid = impl_->child.pid;
  ::kill(pid, signal);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!has_ended() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  if (!has_ended()) ::kill(-pid, SIGKILL);
  if (!has_ended()) impl_->code = wait_for_child(std::exchange(impl_->child.pid, -1));
}

bool ChildStream::has_ended() { return impl_->has_ended(); }

void ChildStream::set_patience(std::chrono::seconds patience) { impl_->patience = patience; }

std::size_t ChildStream::read(std::span<char> out) {
  const auto silent_since = std::chrono::steady_clock::now();
  while (impl_->child.output) {
    impl_->check_patience(silent_since);
    std::array<pollfd, 2> wait{pollfd{impl_->child.output.get(), POLLIN, 0},
                               pollfd{impl_->child.errors.get(), POLLIN, 0}};
    ::poll(wait.data(), wait.size(), 100);
    if (wait[1].revents != 0) impl_->take_errors();
    if (wait[0].revents == 0) continue;
    const ssize_t got = ::read(impl_->child.output.get(), out.data(), out.size());
    if (got > 0) return static_cast<std::size_t>(got);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    impl_->child.output.reset();
  }
  impl_->end();
  return 0;
}

int ChildStream::exit_code() const { return impl_->code; }
const std::string& ChildStream::errors() const { return impl_->errors; }

}  // namespace tmb::base
