// SPDX-License-Identifier: MIT
#include "sql/reader.hh"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.hh"
#include "base/newlines.hh"

namespace tmb::sql {

using base::Error;
using base::ExitCode;

namespace {

bool is_space(int c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }
bool is_digit(int c) { return c >= '0' && c <= '9'; }
bool begins_word(int c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80; }
bool continues_word(int c) { return begins_word(c) || is_digit(c) || c == '$'; }

char upper(int c) { return static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c); }

}  // namespace

void Reader::refuse(const std::string& why) const {
  throw Error(ExitCode::damaged, "line " + std::to_string(line_) + ": " + why);
}

// Makes room behind end_ and reads once. The bytes from start_ on stay.
bool Reader::refill() {
  if (source_ended_) return false;
  if (start_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + start_, end_ - start_);
    at_ -= start_;
    end_ -= start_;
    start_ = 0;
  }
  if (end_ >= limits_.statement) {
    throw Error(ExitCode::unsupported, "line " + std::to_string(line_) + ": a statement is longer than " +
                                           std::to_string(limits_.statement >> 20U) + " MiB");
  }
  // A statement of many blocks lets the buffer grow by doubling, else each refill would copy all of it.
  if (buffer_.size() - end_ < limits_.block) buffer_.resize(std::max(end_ + limits_.block, end_ * 2));
  const std::size_t got = source_.read({buffer_.data() + end_, limits_.block});
  end_ += got;
  bytes_read_ += got;
  source_ended_ = got == 0;
  return got != 0;
}

int Reader::peek_slowly(std::size_t ahead) {
  while (at_ + ahead >= end_) {
    if (!refill()) return end_of_text;
  }
  return static_cast<unsigned char>(buffer_[at_ + ahead]);
}

void Reader::step(std::size_t count) {
  for (; count > 0; --count, ++at_) {
    const char c = buffer_[at_];
    if (c == '\n') ++line_;
    if (c == '\0') refuse("a byte 0 in the text");
  }
}

void Reader::step_character() {
  const int second = spelling_.wide == Wide::none ? end_of_text : peek(1);
  std::size_t length =
      spelling_.length_of(static_cast<unsigned char>(buffer_[at_]), static_cast<unsigned char>(second));
  // What the text ends in is found out by whoever comes next.
  while (length > 1 && peek(length - 1) == end_of_text) --length;
  step(length);
}

void Reader::skip_spaces() {
  while (is_space(peek())) step();
}

bool Reader::skip_line() {
  for (int c = peek(); c != '\n'; c = peek()) {
    if (c == end_of_text) return false;
    step();
  }
  return true;
}

// For the server and for psql a carriage return ends it too: what follows is read as SQL.
void Reader::skip_comment() {
  for (int c = peek(); c != '\n' && c != '\r' && c != end_of_text; c = peek()) step();
}

End Reader::run(Handler& handler) {
  if (peek() == 0xEF && peek(1) == 0xBB && peek(2) == 0xBF) step(3);  // a byte order mark
  for (;;) {
    skip_spaces();
    drop_to_position();
    if (peek() == end_of_text) return End::between;
    if (const End end = read_item(handler); end != End::between) return end;
  }
}

End Reader::read_item(Handler& handler) {
  if (peek() == '-' && peek(1) == '-') {
    skip_comment();
    handler.comment(taken());
    return End::between;
  }
  if (peek() == '/' && peek(1) == '*') return read_block_comment() ? End::between : End::in_statement;
  if (peek() == '\\') {
    const std::uint64_t line = line_;
    skip_line();
    std::string_view text = taken();
    while (!text.empty() && is_space(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
    handler.command(text, line);
    return End::between;
  }
  const std::uint64_t line = line_;
  if (!read_statement()) return End::in_statement;
  const std::string_view text = taken();
  const bool rows_follow = handler.statement(text, line);
  drop_to_position();
  if (!rows_follow) return End::between;
  end_copy_line();
  return read_rows(handler);
}

bool Reader::read_statement() {
  words_ = 0;
  word_.clear();
  is_routine_ = false;
  body_depth_ = 0;
  parentheses_ = 0;
  for (;;) {
    const int c = peek();
    if (c == end_of_text) return false;
    if (c == ';') {
      step();
      if (parentheses_ == 0 && body_depth_ == 0) return true;
    } else if (c == '\'') {
      if (!read_quoted('\'', !spelling_.standard_strings)) return false;
    } else if (c == '"') {
      if (!read_quoted('"', false)) return false;
    } else if (c == '$') {
      if (!read_dollar()) return false;
    } else if (c == '-' && peek(1) == '-') {
      skip_comment();
    } else if (c == '/' && peek(1) == '*') {
      if (!read_block_comment()) return false;
    } else if (begins_word(c)) {
      read_word();
      if (word_ == "E" && peek() == '\'') {
        if (!read_quoted('\'', true) || !after_escape_string()) return false;
      }
    } else if (is_digit(c)) {
      while (continues_word(peek()) && peek() != '$') step();
    } else if (c == '\\') {
      refuse("a backslash command inside a statement");
    } else {
      if (c == '(') ++parentheses_;
      if (c == ')' && parentheses_ > 0) --parentheses_;
      step();
    }
  }
}

void Reader::read_word() {
  word_.clear();
  for (int c = peek(); continues_word(c); c = peek()) {
    if (word_.size() < 16) word_ += upper(c);
    step_character();
  }
  ++words_;
  // A routine whose body is SQL itself, BEGIN ATOMIC … END, has semicolons in it. As psql tells it.
  if (words_ == 1 && word_ != "CREATE") words_ = 100;
  if ((words_ == 2 || words_ == 4) && (word_ == "FUNCTION" || word_ == "PROCEDURE")) is_routine_ = true;
  if (!is_routine_ || parentheses_ > 0) return;
  if (word_ == "BEGIN" || (word_ == "CASE" && body_depth_ > 0)) ++body_depth_;
  if (word_ == "END" && body_depth_ > 0) --body_depth_;
}

// The string or name at the position. False when the text ends in it.
bool Reader::read_quoted(char quote, bool escapes) {
  step();
  for (;;) {
    const int c = peek();
    if (c == end_of_text) return false;
    if (escapes && c == '\\') {
      step();
      if (peek() == end_of_text) return false;
      step_character();
    } else if (c != quote) {
      step_character();
    } else if (peek(1) == quote) {
      step(2);
    } else {
      step();
      return true;
    }
  }
}

// The server goes on with an escape string where another string follows on the next line; pg_dump writes no
// such thing, and what comes in between (comments) makes it hard to be sure: refused.
bool Reader::after_escape_string() {
  for (;;) {
    const int c = peek();
    if (is_space(c)) {
      step();
    } else if (c == '-' && peek(1) == '-') {
      skip_comment();
    } else if (c == '/' && peek(1) == '*') {
      if (!read_block_comment()) return false;
    } else if (c == '\'') {
      refuse("an escape string that is continued by another string");
    } else {
      return true;
    }
  }
}

// $1, $$…$$, $tag$…$tag$ or a lone dollar.
bool Reader::read_dollar() {
  std::size_t length = 1;
  if (is_digit(peek(1))) {
    step(2);
    return true;
  }
  while (continues_word(peek(length)) && peek(length) != '$') ++length;
  const std::string_view seen(buffer_.data() + at_, length);
  if (spelling_.wide != Wide::none && std::any_of(seen.begin(), seen.end(), [](char c) { return c < 0; }))
    refuse("a dollar quote with letters of more than one byte");
  if (peek(length) != '$') {
    step();
    return true;
  }
  ++length;
  const std::string tag(buffer_.data() + at_, length);
  step(length);
  for (;;) {
    const int c = peek();
    if (c == end_of_text) return false;
    if (c == '$') {
      std::size_t same = 1;
      while (same < tag.size() && peek(same) == static_cast<unsigned char>(tag[same])) ++same;
      if (same == tag.size()) {
        step(same);
        return true;
      }
    }
    step();
  }
}

bool Reader::read_block_comment() {
  std::size_t depth = 0;
  do {
    if (peek() == end_of_text) return false;
    if (peek() == '/' && peek(1) == '*') {
      ++depth;
      step(2);
    } else if (peek() == '*' && peek(1) == '/') {
      --depth;
      step(2);
    } else {
      step();
    }
  } while (depth > 0);
  return true;
}

// Rows begin on the next line.
void Reader::end_copy_line() {
  for (int c = peek(); c != '\n' && c != end_of_text; c = peek()) {
    if (!is_space(c)) refuse("something stands behind COPY … FROM stdin on its line");
    step();
  }
  if (peek() == '\n') step();
  drop_to_position();
}

End Reader::read_rows(Handler& handler) {
  constexpr std::string_view last = "\\.\n";
  constexpr std::string_view last_inside = "\n\\.\n";
  bool at_line_start = true;
  for (;;) {
    at_ = end_;  // what is in the buffer is looked at below, all at once
    if (end_ - start_ < last.size() && refill()) continue;
    const std::string_view text(buffer_.data() + start_, end_ - start_);
    const bool whole = source_ended_ && text == "\\.";  // the text may end without a line break
    if (at_line_start && (text.starts_with(last) || whole)) {
      at_ = start_ + std::min(text.size(), last.size());
      ++line_;
      drop_to_position();
      handler.end_of_rows();
      return End::between;
    }
    if (text.size() < last.size() && text.find('\n') == std::string_view::npos) return End::in_rows;
    std::size_t length = 0;
    if (const void* found = ::memmem(text.data(), text.size(), last_inside.data(), last_inside.size())) {
      length = static_cast<std::size_t>(static_cast<const char*>(found) - text.data()) + 1;
    } else if (const void* newline = ::memrchr(text.data(), '\n', text.size())) {
      length = static_cast<std::size_t>(static_cast<const char*>(newline) - text.data()) + 1;
    } else if (text.size() >= limits_.block) {
      length = text.size();
    }
    if (length > 0) {
      const std::string_view part = text.substr(0, length);
      line_ += base::count_newlines(part);
      at_line_start = part.back() == '\n';
      handler.rows(part);
      start_ += length;
      at_ = start_;
    }
    if (start_ == end_ || length == 0) {
      at_ = end_;
      // What is left is part of a row: not told. But a "\\." without a line break may end the text.
      if (!refill() && !(at_line_start && end_ - start_ == 2 && buffer_[start_] == '\\')) return End::in_rows;
    }
  }
}

}  // namespace tmb::sql
