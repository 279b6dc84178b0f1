// SPDX-License-Identifier: MIT
#include "report/wrap.hh"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "report/table.hh"

namespace tmb::report {

std::size_t terminal_columns(int fd) {
  winsize size{};
  if (::isatty(fd) != 1 || ::ioctl(fd, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

std::vector<std::string> wrapped(std::string_view text, std::size_t columns, std::size_t indent) {
  if (columns == 0 || display_width(text) <= columns) return {std::string(text)};
  std::vector<std::string> lines(1);
  bool begun = false;  // the line has a word
  std::size_t at = 0;
  while (at < text.size()) {
    // A word with the blanks before it: those at the beginning of the text are its own indentation.
    const std::size_t word = std::min(text.find_first_not_of(' ', at), text.size());
    const std::size_t end = std::min(text.find(' ', word), text.size());
    const std::string_view piece = text.substr(at, end - at);
    if (begun && display_width(lines.back()) + display_width(piece) > columns) {
      lines.emplace_back(indent, ' ');
      lines.back() += text.substr(word, end - word);
    } else {
      lines.back() += piece;
    }
    begun = true;
    at = end;
  }
  return lines;
}

}  // namespace tmb::report
