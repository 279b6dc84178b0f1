// SPDX-License-Identifier: MIT
// Cuts the text of a dump into statements, rows of COPY, comments and backslash commands, in constant memory.
// Knows how SQL is quoted and nothing of what it says; runs nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_source.hh"
#include "sql/spelling.hh"

namespace tmb::sql {

// What the reader finds, in order. The views are valid during the call only.
class Handler {
 public:
  virtual ~Handler() = default;
  // A "--" comment between statements, without its line break.
  virtual void comment(std::string_view text) = 0;
  // From the first word to the semicolon. Returns true when rows follow, as behind COPY … FROM stdin.
  virtual bool statement(std::string_view text, std::uint64_t line) = 0;
  // A line outside any statement that begins with a backslash, without its line break.
  virtual void command(std::string_view text, std::uint64_t line) = 0;
  // Rows of COPY text, mostly whole lines; a very long line comes in several pieces.
  virtual void rows(std::string_view bytes) = 0;
  virtual void end_of_rows() = 0;
};

// Where a text stopped.
enum class End { between, in_statement, in_rows };

struct ReaderLimits {
  std::size_t block = std::size_t{1} << 20U;       // read at once
  std::size_t statement = std::size_t{64} << 20U;  // a longer one is refused
};

class Reader {
 public:
  explicit Reader(base::ByteSource& source, ReaderLimits limits = {}) : source_(source), limits_(limits) {}

  // To the end of the source. Throws damaged for text that psql would read differently than we (a backslash
  // inside a statement, a byte 0, bytes behind the semicolon of COPY), unsupported for a statement over the
  // limit, and what source and handler throw.
  End run(Handler& handler);

  // Of the statements that follow: as SET standard_conforming_strings and SET client_encoding do.
  void set_spelling(Spelling spelling) { spelling_ = spelling; }

  std::uint64_t line() const { return line_; }         // that is being read, from 1
  std::uint64_t bytes() const { return bytes_read_; }  // taken from the source so far

 private:
  static constexpr int end_of_text = -1;
  bool refill();
  // The byte `ahead` of the position, end_of_text behind the last.
  int peek(std::size_t ahead = 0) {
    if (at_ + ahead < end_) return static_cast<unsigned char>(buffer_[at_ + ahead]);
    return peek_slowly(ahead);
  }
  int peek_slowly(std::size_t ahead);
  void step(std::size_t count = 1);
  void step_character();
  void drop_to_position() { start_ = at_; }
  std::string_view taken() const { return {buffer_.data() + start_, at_ - start_}; }

  void skip_spaces();
  bool skip_line();  // false at the end of the text
  void skip_comment();
  End read_item(Handler& handler);
  // True when the semicolon was reached.
  bool read_statement();
  bool read_quoted(char quote, bool escapes);
  bool read_dollar();
  bool read_block_comment();
  void read_word();
  bool after_escape_string();
  End read_rows(Handler& handler);
  void end_copy_line();
  [[noreturn]] void refuse(const std::string& why) const;

  base::ByteSource& source_;
  ReaderLimits limits_;
  std::vector<char> buffer_;
  std::size_t start_ = 0;  // of what is being taken
  std::size_t at_ = 0;
  std::size_t end_ = 0;
  bool source_ended_ = false;
  Spelling spelling_;
  std::uint64_t line_ = 1;
  std::uint64_t bytes_read_ = 0;
  // Of the statement being read.
  std::string word_;         // the latest one, upper case, cut at 16 letters
  unsigned words_ = 0;       // how many words it has so far
  bool is_routine_ = false;  // CREATE [OR REPLACE] FUNCTION or PROCEDURE
  unsigned body_depth_ = 0;  // of BEGIN … END in its body
  std::size_t parentheses_ = 0;
};

}  // namespace tmb::sql
