// SPDX-License-Identifier: MIT
#include "service/command.hh"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <thread>

#include "base/error.hh"
#include "base/fd.hh"

namespace tmb::service {

using base::Error;
using base::ExitCode;
using base::printable;
using std::chrono::steady_clock;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t output_kept = 65536;
constexpr auto grace = 5s;
constexpr const char* default_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// Passwords, keys and tokens of ours are nobody else's business, nor is the way to our own systemd unit.
bool is_private(std::string_view name) {
  if (name.starts_with("PG") || name.starts_with("DATABASE_") || name.starts_with("RELEASE_")) return true;
  constexpr std::array words{"PASS", "SECRET", "TOKEN", "KEY", "CREDENTIAL", "NOTIFY_SOCKET"};
  return std::ranges::any_of(words, [name](std::string_view word) { return name.find(word) != name.npos; });
}

std::vector<std::string> environment_of(const Command& command) {
  std::vector<std::string> out;
  bool path = false;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::string_view name = text.substr(0, text.find('='));
    if (is_private(name) || command.facts.contains(std::string(name))) continue;
    path = path || name == "PATH";
    out.emplace_back(text);
  }
  if (!path) out.push_back(std::string("PATH=") + default_path);
  for (const auto& [name, value] : command.facts) out.push_back(std::string(name).append("=").append(value));
  return out;
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (const std::string& s : strings) out.push_back(const_cast<char*>(s.c_str()));
  out.push_back(nullptr);
  return out;
}

// A file in memory, not a pipe: what the command leaves running may keep it open for ever.
base::UniqueFd capture() {
  base::UniqueFd fd(::memfd_create("command", MFD_CLOEXEC));
  if (!fd) throw base::system_error(errno, "cannot capture what a command says");
  return fd;
}

std::string captured(const base::UniqueFd& fd) {
  std::string out(output_kept, '\0');
  const ssize_t got = ::pread(fd.get(), out.data(), out.size(), 0);
  out.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  return out;
}

struct FileActions {
  posix_spawn_file_actions_t value{};
  FileActions() { ::posix_spawn_file_actions_init(&value); }
  ~FileActions() { ::posix_spawn_file_actions_destroy(&value); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
};

struct Attributes {
  posix_spawnattr_t value{};
  Attributes() { ::posix_spawnattr_init(&value); }
  ~Attributes() { ::posix_spawnattr_destroy(&value); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
};

pid_t start(const Command& command, const std::string& program, const base::UniqueFd& out,
            const base::UniqueFd& err) {
  FileActions files;
  ::posix_spawn_file_actions_addopen(&files.value, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&files.value, out.get(), 1);
  ::posix_spawn_file_actions_adddup2(&files.value, err.get(), 2);
  ::posix_spawn_file_actions_addchdir_np(&files.value, "/");
  Attributes attributes;
  sigset_t signals;
  sigemptyset(&signals);
  ::posix_spawnattr_setsigmask(&attributes.value, &signals);
  sigaddset(&signals, SIGPIPE);
  sigaddset(&signals, SIGXFSZ);
  ::posix_spawnattr_setsigdefault(&attributes.value, &signals);
  // A group of its own: Ctrl-C is for us to judge, and a timeout ends its children too.
  ::posix_spawnattr_setflags(
      &attributes.value,
      static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP));
  const std::vector<std::string> environment = environment_of(command);
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, program.c_str(), &files.value, &attributes.value,
                                  pointers(command.argv).data(), pointers(environment).data());
  if (error != 0) throw base::system_error(error, "cannot start " + printable(program));
  return pid;
}

// nullopt while it runs.
bool has_ended(pid_t pid, int& exit_code) {
  int status = 0;
  const pid_t ended = ::waitpid(pid, &status, WNOHANG);
  if (ended == 0 || (ended < 0 && errno == EINTR)) return false;
  // Where SIGCHLD is ignored nobody can say how it ended: not well, then.
  constexpr int lost = 255;
  exit_code = ended < 0 ? lost : WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return true;
}

}  // namespace

std::string find_program(const std::string& name) {
  const auto is_program = [](const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && ::access(path.c_str(), X_OK) == 0;
  };
  if (name.find('/') != std::string::npos) return is_program(name) ? name : "";
  const char* said = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): nothing here calls setenv
  std::string_view path = said == nullptr ? default_path : said;
  while (!path.empty()) {
    const std::string_view folder = path.substr(0, path.find(':'));
    std::string candidate = std::string(folder) + "/" + name;
    if (folder.starts_with('/') && is_program(candidate)) return candidate;
    path.remove_prefix(std::min(path.size(), folder.size() + 1));
  }
  return {};
}

CommandResult run_command(const Command& command, const std::stop_token& stop) {
  const std::string program = find_program(command.argv.front());
  if (program.empty())
    throw Error(ExitCode::local_io, "there is no program " + printable(command.argv.front()));
  const base::UniqueFd out = capture();
  const base::UniqueFd err = capture();
  const pid_t pid = start(command, program, out, err);

  CommandResult result;
  const auto deadline = steady_clock::now() + command.timeout;
  auto kill_at = steady_clock::time_point::max();
  bool interrupted = false;
  while (!has_ended(pid, result.exit_code)) {
    const auto now = steady_clock::now();
    const bool late = now > deadline;
    if ((late || stop.stop_requested()) && kill_at == steady_clock::time_point::max()) {
      result.timed_out = late;
      interrupted = !late;
      ::kill(-pid, SIGTERM);
      kill_at = now + grace;
    } else if (now > kill_at) {
      ::kill(-pid, SIGKILL);
    }
    std::this_thread::sleep_for(10ms);
  }
  if (interrupted)
    throw Error(ExitCode::interrupted, "interrupted while " + printable(program) + " was running");
  result.output = captured(out);
  result.errors = captured(err);
  return result;
}

std::string failure_of(const CommandResult& result, const Command& command) {
  if (result.exit_code == 0 && !result.timed_out) return {};
  std::string said = result.errors.empty() ? result.output : result.errors;
  said.erase(said.find_last_not_of(" \t\r\n") + 1);
  said.erase(0, said.rfind('\n') + 1);  // the last line; all of it when there is one only
  std::string out = result.timed_out ? "did not end within " + std::to_string(command.timeout.count()) + " s"
                                     : "ended with " + std::to_string(result.exit_code);
  return out + (said.empty() ? "" : ": " + printable(said));
}

}  // namespace tmb::service
