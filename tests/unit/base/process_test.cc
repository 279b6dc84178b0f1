// SPDX-License-Identifier: MIT
#include "base/process.hh"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/child_stream.hh"
#include "base/error.hh"
#include "base/file.hh"
#include "catch.hh"

using tmb::base::ExitCode;
using tmb::base::ProcessOptions;
using tmb::base::ProcessResult;

namespace {

constexpr std::size_t limit = 1 << 20;

ProcessOptions shell(const std::string& script) {
  ProcessOptions options;
  options.argv = {"/bin/sh", "-c", script};
  options.environment = {"PATH=/usr/bin:/bin"};
  return options;
}

}  // namespace

TEST_CASE("a child's exit code, output and errors come back apart") {
  const ProcessResult result = tmb::base::run_process(shell("echo out; echo err >&2; exit 3"), limit);
  CHECK(result.exit_code == 3);
  CHECK(result.output == "out\n");
  CHECK(result.errors == "err\n");
}

TEST_CASE("a child that a signal ended has 128 and the signal as its code") {
  CHECK(tmb::base::run_process(shell("kill -9 $$"), limit).exit_code == 137);
}

TEST_CASE("a child gets the environment it was given and nothing else") {
  ::setenv("TMB_UNIT_TEST_SECRET", "leak", 1);
  ProcessOptions options = shell("");
  options.argv = {"/usr/bin/env"};
  options.environment = {"ONE=1", "TWO=a b"};
  CHECK(tmb::base::run_process(options, limit).output == "ONE=1\nTWO=a b\n");
  ::unsetenv("TMB_UNIT_TEST_SECRET");
}

TEST_CASE("arguments reach the child as they are, without a shell") {
  ProcessOptions options = shell("");
  options.argv = {"/usr/bin/printf", "%s|", "a b", "$(id)", "", "'\""};
  CHECK(tmb::base::run_process(options, limit).output == "a b|$(id)||'\"|");
}

TEST_CASE("the input of a child is empty") {
  CHECK(tmb::base::run_process(shell("wc -c"), limit).output == "0\n");
}

TEST_CASE("much output on both channels at once does not block") {
  const ProcessResult result =
      tmb::base::run_process(shell("head -c 500000 /dev/zero; head -c 500000 /dev/zero >&2"), limit);
  CHECK(result.exit_code == 0);
  CHECK(result.output.size() == 500'000);
  CHECK(result.errors.size() == 65'536);  // the first of it is enough to read
}

TEST_CASE("a child that prints more than its limit is ended and reported") {
  try {
    tmb::base::run_process(shell("yes"), 10'000);
    FAIL("nothing was thrown");
  } catch (const tmb::base::Error& error) {
    CHECK(error.code() == ExitCode::local_io);
    CHECK_THAT(error.message(), tmb::test::ContainsSubstring("/bin/sh"));
  }
}

TEST_CASE("a program that is not there is reported with its name") {
  ProcessOptions options = shell("");
  options.argv = {"/nowhere/pg_dump"};
  try {
    tmb::base::run_process(options, limit);
    FAIL("nothing was thrown");
  } catch (const tmb::base::Error& error) {
    CHECK(error.code() == ExitCode::local_io);
    CHECK_THAT(error.message(), tmb::test::ContainsSubstring("/nowhere/pg_dump"));
    CHECK_THAT(error.message(), tmb::test::ContainsSubstring("No such file or directory"));
  }
}

TEST_CASE("a child is asked to end when we are asked to stop") {
  std::stop_source stop;
  ProcessOptions options = shell("exec sleep 600");
  options.stop = stop.get_token();
  stop.request_stop();
  CHECK(tmb::base::run_process(options, limit).exit_code == 128 + SIGTERM);
}

TEST_CASE("a child that has closed its output is asked to end as well, and killed when it does not") {
  for (const char* script :
       {"exec >&- 2>&-; exec sleep 600", "trap '' TERM; exec >&- 2>&-; sleep 60 & wait; wait"}) {
    std::stop_source stop;
    ProcessOptions options = shell(script);
    options.stop = stop.get_token();
    std::jthread later([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
      stop.request_stop();
    });
    const auto began = std::chrono::steady_clock::now();
    CHECK(tmb::base::run_process(options, limit).exit_code > 128);
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(20));
  }
}

TEST_CASE("the end of a streamed child that has closed its output is not waited for once we are to stop") {
  std::stop_source stop;
  ProcessOptions options = shell("exec >&- 2>&-; exec sleep 600");
  options.stop = stop.get_token();
  tmb::base::ChildStream child(options);
  std::jthread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    stop.request_stop();
  });
  std::array<char, 16> buffer{};
  try {
    child.read(buffer);
    FAIL("nothing was thrown");
  } catch (const tmb::base::Error& error) {
    CHECK(error.code() == ExitCode::interrupted);
  }
}

TEST_CASE("a child whose end the kernel keeps to itself has not ended well") {
  struct sigaction ignore {};
  struct sigaction before {};
  ignore.sa_handler = SIG_IGN;
  REQUIRE(::sigaction(SIGCHLD, &ignore, &before) == 0);
  const int code = tmb::base::run_process(shell("exit 0"), limit).exit_code;
  ::sigaction(SIGCHLD, &before, nullptr);
  CHECK(code != 0);
}

TEST_CASE("a child inherits a file in memory and no other descriptor") {
  const int ours = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const auto secret = tmb::base::memory_file("secret", "open sesame");
  const ProcessResult result = tmb::base::run_process(
      shell("cat " + tmb::base::memory_file_path(secret) + "; echo; ls -l /proc/self/fd/" +
            std::to_string(ours) + " 2>/dev/null || echo closed"),
      limit);
  ::close(ours);
  CHECK(result.output == "open sesame\nclosed\n");
}

TEST_CASE("signals blocked or ignored here are back to normal in the child") {
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  REQUIRE(::pthread_sigmask(SIG_BLOCK, &blocked, &before) == 0);
  const ProcessResult result = tmb::base::run_process(shell("kill -TERM $$; echo alive"), limit);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  CHECK(result.exit_code == 128 + SIGTERM);
}

TEST_CASE("the account of root is found, one that is not there is not") {
  const auto root = tmb::base::find_os_user("root");
  REQUIRE(root);
  CHECK(root->uid == 0);
  CHECK_FALSE(tmb::base::find_os_user("no-such-account-here"));
}
