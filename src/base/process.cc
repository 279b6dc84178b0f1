// SPDX-License-Identifier: MIT
#include "base/process.hh"

#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include "base/error.hh"
#include "base/fd.hh"
#include "base/spawn.hh"

namespace tmb::base {

namespace {

// True while the pipe is open.
bool drain(UniqueFd& pipe, std::string& into, std::size_t keep, bool* overflow) {
  std::array<char, 65536> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  const ssize_t got = ::read(pipe.get(), buffer.data(), buffer.size());
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  if (got == 0) return false;
  const auto count = static_cast<std::size_t>(got);
  const std::size_t room = keep - into.size();
  into.append(buffer.data(), std::min(room, count));
  if (count > room && overflow != nullptr) *overflow = true;
  return true;
}

}  // namespace

std::optional<OsUser> find_os_user(const std::string& name) {
  std::array<char, 16384> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) return std::nullopt;
  return OsUser{name, entry.pw_uid, entry.pw_gid};
}

ProcessResult run_process(const ProcessOptions& options, std::size_t output_limit) {
  const std::string program = printable(options.argv.front());
  SpawnedChild child = spawn(options, {});
  const pid_t pid = child.pid;

  ProcessResult result;
  bool overflow = false;
  bool terminated = false;
  // A child that does not heed SIGTERM must not keep us.
  constexpr std::chrono::seconds patience{3};
  auto kill_at = std::chrono::steady_clock::time_point::max();
  constexpr std::size_t errors_kept = 65536;
  bool ended = false;
  // To the end of both: what it wrote, and itself. It may have closed its output long before.
  while (child.output || child.errors || !ended) {
    std::array<pollfd, 2> wait{pollfd{child.output.get(), POLLIN, 0}, pollfd{child.errors.get(), POLLIN, 0}};
    ::poll(wait.data(), wait.size(), child.output || child.errors ? 100 : 2);
    ended = ended || child_has_ended(pid);
    if (wait[0].revents != 0 && !drain(child.output, result.output, output_limit, &overflow))
      child.output.reset();
    if (wait[1].revents != 0 && !drain(child.errors, result.errors, errors_kept, nullptr))
      child.errors.reset();
    const auto now = std::chrono::steady_clock::now();
    if ((options.stop.stop_requested() || overflow) && !std::exchange(terminated, true)) {
      ::kill(-pid, SIGTERM);
      kill_at = now + patience;
    }
    if (now > kill_at) ::kill(-pid, SIGKILL);
    // What left its group, as a daemon does, may hold the pipes for ever.
    if (now - std::chrono::seconds(1) > kill_at) break;
  }
  result.exit_code = wait_for_child(pid);
  if (overflow) {
    throw Error(ExitCode::local_io,
                program + " printed more than " + std::to_string(output_limit) + " bytes");
  }
  return result;
}

}  // namespace tmb::base
