// SPDX-License-Identifier: MIT
#include <poll.h>
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
std::string read_answer(const std::stop_token& stop) {
  std::string line;
  while (line.size() < longest_answer) {
    if (stop.stop_requested())
      throw Error(ExitCode::interrupted, "interrupted before the question was answered");
    pollfd wait{STDIN_FILENO, POLLIN, 0};
    if (::poll(&wait, 1, 100) <= 0) continue;
    std::array<char, 1> c{};
    const ssize_t got = ::read(STDIN_FILENO, c.data(), 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || c[0] == '\n') break;
    line += c[0];
  }
  return line;
}

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

void Context::confirm(const std::string& question) const {
  if (yes) return;
  // The answer must come from a person: a pipe that says "y" to everything is what --yes is for.
  if (::isatty(STDIN_FILENO) != 1 || ::isatty(STDERR_FILENO) != 1) {
    throw Error(ExitCode::refused, "this has to be confirmed and there is no terminal to ask on: " + question)
        .with_hint("say --yes if you are sure");
  }
  base::write_all(STDERR_FILENO, base::printable(question) + " [y/N] ", "the terminal");
  if (!is_yes(read_answer(stop))) throw Error(ExitCode::refused, "not confirmed");
}

}  // namespace tmb::cli
