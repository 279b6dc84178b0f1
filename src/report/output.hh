// SPDX-License-Identifier: MIT
// Where lines go in the end: stdout, stderr, the journal. Never throws: an operation must not fail because
// nobody listens, but the program must know it. Private to report/.
#pragma once

#include <atomic>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tmb::report {

class Output {
 public:
  explicit Output(int fd) : fd_(fd) {}
  void write(std::string_view text) noexcept;
  int error() const { return error_; }  // errno of the first write that failed, 0 when none did

 private:
  int fd_;
  std::atomic<int> error_{0};
};

enum class Priority { error = 3, warning = 4, notice = 5, info = 6, debug = 7 };

// Additional fields of a journal entry: NAME, value.
using Fields = std::vector<std::pair<std::string, std::string>>;

// False when the journal did not take it.
bool send_to_journal(Priority priority, std::string_view message, const Fields& fields) noexcept;

// Whether descriptor `fd` is the stream that $JOURNAL_STREAM names, and the journal can be reached.
bool is_journal_stream(int fd, const char* journal_stream);

}  // namespace tmb::report
