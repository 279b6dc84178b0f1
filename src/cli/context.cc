// SPDX-License-Identifier: MIT
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/error.hh"
#include "cli/run_main.hh"

namespace tmb::cli {

using base::Error;
using base::ExitCode;

namespace {

constexpr std::size_t longest_answer = 64;

// One line from the terminal, empty at its end; stops waiting when asked to stop.
std::string read_answer(const std::stop_token& stop, std::size_t longest = longest_answer) {
  std::string line;
  line.reserve(longest);  // of a secret, no shorter copy is left behind
  while (line.size() < longest) {
    if (stop.stop_requested())
      throw Error(ExitCode::interrupted, "interrupted before the question was answered");
    pollfd wait{STDIN_FILENO, POLLIN, 0};
    if (::poll(&wait, 1, 100) <= 0) continue;
    std::array<char, 1> c{};
    const ssize_t got = ::read(STDIN_FILENO, c.data(), 1);
    if (got < 0 && errno == EINTR) continue;
    if (got > 0 && c[0] == '\n') return line;
    if (got <= 0) break;
    line += c[0];
  }
  // Without Enter the cursor still stands behind the question.
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, "\n", 1);
  return line;
}

// What is typed is not shown while this lives.
class NoEcho {
 public:
  NoEcho() {
    if (::tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL);
    changed_ = ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
  }
  NoEcho(const NoEcho&) = delete;
  NoEcho& operator=(const NoEcho&) = delete;
  ~NoEcho() {
    if (changed_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }
  bool works() const { return changed_; }

 private:
  termios before_{};
  bool changed_ = false;
};

bool is_yes(std::string answer) {
  answer.erase(answer.find_last_not_of(" \t\r") + 1);
  return answer == "y" || answer == "Y" || answer == "yes" || answer == "Yes" || answer == "YES";
}

}  // namespace

const base::Path& Context::repository() const {
  if (settings.repository.empty()) {
    throw Error(ExitCode::no_repository, "no repository was named")
        .with_hint(
            "name its folder with -r, $TESLAMATE_BACKUP_REPOSITORY or [repository] path in the settings "
            "file");
  }
  return settings.repository;
}

bool Context::ask(const std::string& question) const {
  if (yes) return true;
  // The answer must come from a person: a pipe that says "y" to everything is what --yes is for.
  if (!on_terminal()) {
    throw Error(ExitCode::refused, "this has to be confirmed and there is no terminal to ask on: " + question)
        .with_hint("say --yes if you are sure");
  }
  base::write_all(STDERR_FILENO, base::printable(question) + " [y/N] ", "the terminal");
  return is_yes(read_answer(stop));
}

void Context::confirm(const std::string& question) const {
  if (!ask(question)) throw Error(ExitCode::refused, "not confirmed");
}

bool Context::on_terminal() const { return ::isatty(STDIN_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1; }

base::Secret Context::ask_secret(const std::string& question) const {
  // A terminal cuts a line at 4095 characters and says nothing: what is as long as that may have been longer.
  constexpr std::size_t longest_secret = 4095;
  if (!on_terminal()) {
    throw Error(ExitCode::wrong_key, "a passphrase is needed and there is no terminal to ask on")
        .with_hint("name a file with --key-file or [repository] key_file, or use a systemd credential");
  }
  const NoEcho no_echo;
  if (!no_echo.works()) throw Error(ExitCode::local_io, "the terminal cannot hide what is typed");
  base::write_all(STDERR_FILENO, base::printable(question) + ": ", "the terminal");
  base::Secret answer(read_answer(stop, longest_secret));
  base::write_all(STDERR_FILENO, "\n", "the terminal");
  if (answer.reveal().size() >= longest_secret) {
    throw Error(ExitCode::refused, "that is more than a terminal takes on one line")
        .with_hint("put a passphrase as long as that into a file: --key-file, --new-passphrase-file");
  }
  return answer;
}

}  // namespace tmb::cli
