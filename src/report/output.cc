// SPDX-License-Identifier: MIT
#include "report/output.hh"

#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <cerrno>
#include <new>

namespace tmb::report {

namespace {

constexpr const char* journal_socket = "/run/systemd/journal/socket";

}  // namespace

void Output::write(std::string_view text) noexcept {
  if (error_ != 0) return;  // whoever read it is gone
  while (!text.empty()) {
    const ssize_t done = ::write(fd_, text.data(), text.size());
    if (done >= 0) {
      text.remove_prefix(static_cast<std::size_t>(done));
    } else if (errno == EAGAIN) {  // a descriptor that somebody else made non-blocking
      pollfd wait{fd_, POLLOUT, 0};
      ::poll(&wait, 1, -1);
    } else if (errno != EINTR) {
      error_ = errno;
      return;
    }
  }
}

bool send_to_journal(Priority priority, std::string_view message, const Fields& fields) noexcept {
  try {
    std::vector<std::string> entries{"MESSAGE=" + std::string(message),
                                     "PRIORITY=" + std::to_string(static_cast<int>(priority))};
    for (const auto& [name, value] : fields) entries.push_back(std::string(name).append("=").append(value));
    std::vector<iovec> vectors;
    vectors.reserve(entries.size());
    for (std::string& entry : entries) vectors.push_back({entry.data(), entry.size()});
    return ::sd_journal_sendv(vectors.data(), static_cast<int>(vectors.size())) == 0;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

bool is_journal_stream(int fd, const char* journal_stream) {
  struct stat status {};
  if (journal_stream == nullptr || ::fstat(fd, &status) != 0) return false;
  const std::string stream = std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
  // sd_journal_sendv says yes also where there is no journal.
  return stream == journal_stream && ::access(journal_socket, W_OK) == 0;
}

}  // namespace tmb::report
