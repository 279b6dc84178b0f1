// SPDX-License-Identifier: MIT
#include "config/environment_file.hh"

#include <algorithm>
#include <cstdint>

#include "base/error.hh"

namespace tmb::config {

namespace {

constexpr std::string_view line_ends = "\n\r";  // a lone CR ends a line, too
constexpr std::string_view blanks = " \t\n\r";
constexpr std::string_view comment_starts = "#;";
constexpr std::string_view escapable = "\"\\`$";  // between double quotes

bool is_one_of(char c, std::string_view set) { return set.find(c) != std::string_view::npos; }

bool is_name(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return !name.empty() && !digit(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return letter(c) || digit(c); });
}

std::size_t utf8_length(unsigned char first) {
  if (first < 0x80) return 1;
  if (first < 0xC2 || first >= 0xF5) return 0;
  return first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

bool is_utf8(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const auto first = static_cast<unsigned char>(text[i]);
    const std::size_t length = utf8_length(first);
    if (length == 0 || text.size() - i < length) return false;
    std::uint32_t point = length == 1 ? first : first & (0x7FU >> length);
    for (std::size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xC0U) != 0x80U) return false;
      point = (point << 6U) | (next & 0x3FU);
    }
    if ((length == 3 && point < 0x800) || (length == 4 && (point < 0x10000 || point > 0x10FFFF)))
      return false;
    if (point >= 0xD800 && point < 0xE000) return false;
    i += length;
  }
  return true;
}

enum class State {
  before_name,
  name,
  before_value,
  value,
  value_escape,
  single_quotes,
  double_quotes,
  double_quotes_escape,
  comment,
  comment_escape,
};

class Parser {
 public:
  explicit Parser(ContinuedComment continued) : continued_(continued) {}

  void take(char c) {
    switch (state_) {
      case State::before_name: before_name(c); break;
      case State::name: name(c); break;
      case State::before_value: before_value(c); break;
      case State::value: value(c); break;
      case State::value_escape:
        state_ = State::value;
        if (!is_one_of(c, line_ends)) append_value(c);
        break;
      case State::single_quotes:
        if (c == '\'') {
          state_ = State::before_value;
        } else {
          append_value(c);
        }
        break;
      case State::double_quotes: double_quotes(c); break;
      case State::double_quotes_escape:
        state_ = State::double_quotes;
        if (is_one_of(c, line_ends)) break;
        if (!is_one_of(c, escapable)) append_value('\\');
        append_value(c);
        break;
      case State::comment:
        if (c == '\\') state_ = State::comment_escape;
        if (is_one_of(c, line_ends)) state_ = State::before_name;
        break;
      case State::comment_escape:
        state_ = is_one_of(c, line_ends) && continued_ == ContinuedComment::ends ? State::before_name
                                                                                 : State::comment;
        break;
    }
    if (c == '\n') ++line_;
  }

  Assignments finish() {
    const bool in_value = state_ != State::before_name && state_ != State::name && state_ != State::comment &&
                          state_ != State::comment_escape;
    if (in_value) push();
    return std::move(out_);
  }

 private:
  void before_name(char c) {
    if (is_one_of(c, comment_starts)) {
      state_ = State::comment;
    } else if (!is_one_of(c, blanks)) {
      state_ = State::name;
      name_ = c;
    }
  }

  void name(char c) {
    if (is_one_of(c, line_ends)) {
      state_ = State::before_name;  // a line without "=" says nothing
    } else if (c == '=') {
      state_ = State::before_value;
      value_.clear();
      keep_ = 0;
    } else {
      name_ += c;
    }
  }

  void before_value(char c) {
    if (is_one_of(c, line_ends)) {
      push();
    } else if (c == '\'') {
      state_ = State::single_quotes;
    } else if (c == '"') {
      state_ = State::double_quotes;
    } else if (c == '\\') {
      state_ = State::value_escape;
    } else if (!is_one_of(c, blanks)) {
      state_ = State::value;
      append_value(c);
    }
  }

  void value(char c) {
    if (is_one_of(c, line_ends)) {
      push();
    } else if (c == '\\') {
      state_ = State::value_escape;
      keep_ = value_.size();  // blanks before a backslash are not at the end
    } else if (is_one_of(c, blanks)) {
      value_ += c;  // kept only when something follows
    } else {
      append_value(c);
    }
  }

  void double_quotes(char c) {
    if (c == '"') {
      state_ = State::before_value;
    } else if (c == '\\') {
      state_ = State::double_quotes_escape;
    } else {
      append_value(c);
    }
  }

  void append_value(char c) {
    value_ += c;
    keep_ = value_.size();
  }

  void push() {
    state_ = State::before_name;
    value_.resize(keep_);
    while (!name_.empty() && is_one_of(name_.back(), blanks)) name_.pop_back();
    if (!is_utf8(name_) || !is_utf8(value_)) {
      throw base::Error(base::ExitCode::damaged,
                        "the assignment that ends in line " + std::to_string(line_) + " is not UTF-8");
    }
    if (!is_name(name_)) return;  // control characters in a value are as good as any
    const auto there = std::ranges::find(out_, name_, &std::pair<std::string, std::string>::first);
    if (there != out_.end()) {
      there->second = value_;
    } else {
      out_.emplace_back(name_, value_);
    }
  }

  ContinuedComment continued_;
  State state_ = State::before_name;
  std::size_t line_ = 1;
  std::string name_;
  std::string value_;
  std::size_t keep_ = 0;  // of value_; what stands behind is blanks at the end of an unquoted value
  Assignments out_;
};

}  // namespace

Assignments parse_environment_file(std::string_view text, ContinuedComment continued) {
  if (text.find('\0') != std::string_view::npos) {
    throw base::Error(base::ExitCode::damaged, "there is a NUL byte in it");
  }
  Parser parser(continued);
  for (const char c : text) parser.take(c);
  return parser.finish();
}

}  // namespace tmb::config
