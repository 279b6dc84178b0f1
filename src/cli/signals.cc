// SPDX-License-Identifier: MIT
#include "cli/signals.hh"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include "base/error.hh"

namespace tmb::cli {

namespace {

bool is_ignored(int signal) {
  struct sigaction action {};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

SignalWatch::SignalWatch() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  if (!is_ignored(SIGHUP)) sigaddset(&set, SIGHUP);
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) {
    throw base::system_error(error, "cannot block signals");
  }
  signals_ = base::UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  end_ = base::UniqueFd(::eventfd(0, EFD_CLOEXEC));
  if (!signals_ || !end_) throw base::system_error(errno, "cannot watch for signals");
  thread_ = std::thread([this] { watch(); });
}

SignalWatch::~SignalWatch() {
  const std::uint64_t one = 1;
  // An eventfd that is read by nobody else takes this always; tried again because to fail here is to hang.
  for (int tries = 0; tries < 3 && ::write(end_.get(), &one, sizeof one) != sizeof one; ++tries) {
  }
  thread_.join();
}

std::optional<base::ExitCode> SignalWatch::received() const {
  const int signal = first_;
  if (signal == 0) return std::nullopt;
  return signal == SIGTERM ? base::ExitCode::terminated : base::ExitCode::interrupted;
}

void SignalWatch::watch() {
  std::array<pollfd, 2> wait{pollfd{signals_.get(), POLLIN, 0}, pollfd{end_.get(), POLLIN, 0}};
  while (true) {
    if (::poll(wait.data(), wait.size(), -1) < 0 && errno != EINTR) return;
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
      int none = 0;
      first_.compare_exchange_strong(none, static_cast<int>(info.ssi_signo));
      source_.request_stop();
    }
    if ((wait[1].revents & POLLIN) != 0) return;
  }
}

}  // namespace tmb::cli
