// SPDX-License-Identifier: MIT
#include "base/spawn.hh"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

#include "base/error.hh"

namespace tmb::base {

namespace {

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw system_error(errno, "cannot create a pipe");
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  out.reserve(strings.size() + 1);
  for (const std::string& s : strings) out.push_back(const_cast<char*>(s.c_str()));
  out.push_back(nullptr);
  return out;
}

// Runs in the child between fork and exec: async-signal-safe calls only.
[[noreturn]] void become_child(const Pipe& out, const Pipe& err, const Pipe& failure, pid_t parent,
                               const ProcessOptions& options, const std::vector<gid_t>& groups, int input,
                               char** argv, char** environment) {
  const auto fail = [&] {
    const int error = errno;
    [[maybe_unused]] const ssize_t ignored = ::write(failure.write.get(), &error, sizeof error);
    ::_exit(127);
  };
  ::setpgid(0, 0);  // its own children end with it, see the kill below
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(127);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  if (input < 0) input = ::open("/dev/null", O_RDONLY);
  if (input < 0 || ::dup2(input, 0) < 0 || ::dup2(out.write.get(), 1) < 0 || ::dup2(err.write.get(), 2) < 0)
    fail();
  if (options.as_user) {
    if (::setgroups(groups.size(), groups.data()) != 0) fail();
    if (::setresgid(options.as_user->gid, options.as_user->gid, options.as_user->gid) != 0) fail();
    if (::setresuid(options.as_user->uid, options.as_user->uid, options.as_user->uid) != 0) fail();
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // changing the user cleared it
  }
  ::execve(argv[0], argv, environment);
  fail();
  std::abort();
}

std::vector<gid_t> groups_of(const OsUser& user) {
  std::vector<gid_t> groups(64);
  int count = static_cast<int>(groups.size());
  if (::getgrouplist(user.name.c_str(), user.gid, groups.data(), &count) < 0) {
    groups.resize(static_cast<std::size_t>(count));
    ::getgrouplist(user.name.c_str(), user.gid, groups.data(), &count);
  }
  groups.resize(static_cast<std::size_t>(count));
  return groups;
}

}  // namespace

SpawnedChild spawn(const ProcessOptions& options, UniqueFd input) {
  Pipe out = make_pipe();
  Pipe err = make_pipe();
  Pipe failure = make_pipe();
  const std::vector<char*> argv = pointers(options.argv);
  const std::vector<char*> environment = pointers(options.environment);
  const std::vector<gid_t> groups = options.as_user ? groups_of(*options.as_user) : std::vector<gid_t>{};
  const std::string program = printable(options.argv.front());

  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) throw system_error(errno, "cannot start " + program);
  if (pid == 0) {
    become_child(out, err, failure, parent, options, groups, input.get(), const_cast<char**>(argv.data()),
                 const_cast<char**>(environment.data()));
  }
  failure.write.reset();
  int error = 0;
  if (::read(failure.read.get(), &error, sizeof error) == sizeof error) {
    wait_for_child(pid);
    throw system_error(error, "cannot start " + program);
  }
  return {pid, std::move(out.read), std::move(err.read)};
}

int wait_for_child(pid_t pid) {
  int status = 0;
  pid_t ended = -1;
  do {
    ended = ::waitpid(pid, &status, 0);
  } while (ended < 0 && errno == EINTR);
  // ECHILD: with SIGCHLD ignored the kernel has thrown away how it ended.
  if (ended < 0) return child_lost;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

bool child_has_ended(pid_t pid) {
  siginfo_t found{};
  if (::waitid(P_PID, static_cast<id_t>(pid), &found, WEXITED | WNOHANG | WNOWAIT) != 0)
    return errno != EINTR;
  return found.si_pid == pid;
}

}  // namespace tmb::base
