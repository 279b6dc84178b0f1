// SPDX-License-Identifier: MIT
#include "cli/signals.hh"

#include <signal.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>

#include "catch.hh"

using tmb::base::ExitCode;
using tmb::cli::SignalWatch;

namespace {

// The signal mask of this thread as it was, for the tests after this one.
class KeptMask {
 public:
  KeptMask() { ::pthread_sigmask(SIG_BLOCK, nullptr, &mask_); }
  KeptMask(const KeptMask&) = delete;
  KeptMask& operator=(const KeptMask&) = delete;
  ~KeptMask() { ::pthread_sigmask(SIG_SETMASK, &mask_, nullptr); }

 private:
  sigset_t mask_{};
};

std::optional<ExitCode> after(std::initializer_list<int> signals) {
  const KeptMask mask;
  SignalWatch watch;
  std::mutex mutex;
  std::condition_variable_any stopped;
  for (const int signal : signals) {
    ::kill(::getpid(), signal);
    std::unique_lock lock(mutex);
    stopped.wait(lock, watch.stop(), [] { return false; });  // returns when asked to stop
  }
  return watch.received();
}

}  // namespace

TEST_CASE("a signal asks to stop, the first one decides how the run ends, the second does not kill") {
  CHECK(after({SIGINT, SIGINT, SIGTERM}) == ExitCode::interrupted);
  CHECK(after({SIGTERM, SIGINT}) == ExitCode::terminated);
  CHECK(after({SIGHUP}) == ExitCode::interrupted);
}

TEST_CASE("without a signal nothing asks to stop") {
  const KeptMask mask;
  const SignalWatch watch;
  CHECK_FALSE(watch.stop().stop_requested());
  CHECK_FALSE(watch.received());
}
