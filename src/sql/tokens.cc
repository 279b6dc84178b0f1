// SPDX-License-Identifier: MIT
#include "sql/tokens.hh"

#include <algorithm>
#include <array>

#include "base/error.hh"

namespace tmb::sql {

using base::Error;
using base::ExitCode;

namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool begins_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool continues_word(char c) { return begins_word(c) || is_digit(c) || c == '$'; }
char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

class Lexer {
 public:
  Lexer(std::string_view text, Spelling spelling) : text_(text), spelling_(spelling) {}

  // False at the end.
  bool next(Token& token) {
    skip_blank();
    if (at_ >= text_.size()) return false;
    const std::size_t begin = at_;
    token.kind = read();
    token.text = text_.substr(begin, at_ - begin);
    token.depth = depth_;
    if (token.is_sign('(')) ++depth_;
    if (token.is_sign(')') && depth_ > 0) token.depth = --depth_;
    return true;
  }
  bool broken() const { return broken_; }  // it ended inside a string or comment
  unsigned depth() const { return depth_; }

 private:
  char at(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  void skip_character() {
    at_ += spelling_.length_of(static_cast<unsigned char>(at()), static_cast<unsigned char>(at(1)));
  }

  void skip_blank() {
    for (;;) {
      if (at_ < text_.size() && is_space(text_[at_])) {
        ++at_;
      } else if (at() == '-' && at(1) == '-') {
        while (at_ < text_.size() && text_[at_] != '\n' && text_[at_] != '\r') ++at_;
      } else if (at() == '/' && at(1) == '*') {
        skip_block();
      } else {
        return;
      }
    }
  }

  void skip_block() {
    unsigned level = 0;
    do {
      if (at_ >= text_.size()) {
        broken_ = true;
        return;
      }
      if (at() == '/' && at(1) == '*') {
        ++level;
        at_ += 2;
      } else if (at() == '*' && at(1) == '/') {
        --level;
        at_ += 2;
      } else {
        ++at_;
      }
    } while (level > 0);
  }

  void read_quoted(char quote, bool escapes) {
    for (++at_; at_ < text_.size(); skip_character()) {
      if (escapes && text_[at_] == '\\') {
        ++at_;
      } else if (text_[at_] == quote) {
        ++at_;
        if (at() != quote) return;
      }
    }
    at_ = text_.size();
    broken_ = true;
  }

  Token::Kind read_dollar() {
    if (is_digit(at(1))) {
      ++at_;
      while (is_digit(at())) ++at_;
      return Token::Kind::parameter;
    }
    std::size_t length = 1;
    while (continues_word(at(length)) && at(length) != '$') ++length;
    if (at(length) != '$') {
      ++at_;
      return Token::Kind::sign;
    }
    const std::string_view tag = text_.substr(at_, length + 1);
    const std::size_t end = text_.find(tag, at_ + tag.size());
    broken_ = broken_ || end == std::string_view::npos;
    at_ = end == std::string_view::npos ? text_.size() : end + tag.size();
    return Token::Kind::dollar;
  }

  // The + of 1e+20.
  bool is_exponent_sign() const {
    return (at() == '+' || at() == '-') && upper(text_[at_ - 1]) == 'E' && is_digit(at(1));
  }

  Token::Kind read() {
    const char c = at();
    if (c == '\'' || c == '"') {
      read_quoted(c, c == '\'' && !spelling_.standard_strings);
      return c == '"' ? Token::Kind::quoted : Token::Kind::string;
    }
    if (c == '$') return read_dollar();
    if (begins_word(c)) {
      const std::size_t begin = at_;
      while (continues_word(at())) skip_character();
      if (at() != '\'' || at_ - begin != 1) return Token::Kind::word;
      const char prefix = upper(c);
      if (prefix != 'E' && prefix != 'B' && prefix != 'X' && prefix != 'N') return Token::Kind::word;
      // In B'…' and X'…' a backslash never escapes, whatever the session's setting.
      read_quoted('\'', prefix == 'E' || (prefix == 'N' && !spelling_.standard_strings));
      return Token::Kind::string;
    }
    if (is_digit(c) || (c == '.' && is_digit(at(1)))) {
      ++at_;
      while ((continues_word(at()) && at() != '$') || at() == '.' || is_exponent_sign()) ++at_;
      return Token::Kind::number;
    }
    ++at_;
    return Token::Kind::sign;
  }

  std::string_view text_;
  Spelling spelling_;
  std::size_t at_ = 0;
  unsigned depth_ = 0;
  bool broken_ = false;
};

}  // namespace

bool Token::is(std::string_view word) const {
  if (kind != Kind::word || text.size() != word.size()) return false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (upper(text[i]) != word[i]) return false;
  }
  return true;
}

namespace {

// A token takes many times the memory of a short word: what pg_dump writes has far fewer.
std::vector<Token> all_of(Lexer& lexer) {
  constexpr std::size_t most = 2'000'000;
  std::vector<Token> out;
  for (Token token; lexer.next(token);) {
    if (out.size() == most) throw Error(ExitCode::unsupported, "a statement has more than two million words");
    out.push_back(token);
  }
  return out;
}

}  // namespace

std::vector<Token> tokenize(std::string_view statement, Spelling spelling) {
  Lexer lexer(statement, spelling);
  std::vector<Token> out = all_of(lexer);
  if (lexer.broken() || lexer.depth() > 0 || out.empty() || !out.back().is_sign(';')) {
    throw Error(ExitCode::damaged, "a statement whose quotes or parentheses do not close");
  }
  return out;
}

std::vector<Token> words_in(std::string_view text, Spelling spelling) {
  Lexer lexer(text, spelling);
  return all_of(lexer);
}

std::string name_of(const Token& token) {
  std::string out;
  if (token.kind == Token::Kind::quoted) {
    for (std::size_t i = 1; i + 1 < token.text.size(); ++i) {
      out += token.text[i];
      if (token.text[i] == '"') ++i;
    }
    return out;
  }
  for (const char c : token.text) out += lower(c);
  return out;
}

std::string content_of(const Token& token, Spelling spelling) {
  std::string_view text = token.text;
  if (token.kind == Token::Kind::dollar) {
    const std::size_t tag = text.find('$', 1) + 1;
    return std::string(text.substr(tag, text.size() - 2 * tag));
  }
  bool escapes = !spelling.standard_strings;
  if (!text.empty() && text.front() != '\'') {
    escapes = escapes || upper(text.front()) == 'E';
    text.remove_prefix(1);
  }
  std::string out;
  for (std::size_t i = 1; i + 1 < text.size();) {
    if ((escapes && text[i] == '\\') || text[i] == '\'') ++i;
    const std::size_t length =
        spelling.length_of(static_cast<unsigned char>(text[i]),
                           static_cast<unsigned char>(text[std::min(i + 1, text.size() - 1)]));
    out += text.substr(i, length);
    i += length;
  }
  return out;
}

std::optional<Wide> wide_of(std::string_view encoding) {
  struct Known {
    std::string_view name;
    Wide wide;
  };
  constexpr std::array wide{Known{"sjis", Wide::shift_jis},       Known{"shiftjis", Wide::shift_jis},
                            Known{"mskanji", Wide::shift_jis},    Known{"win932", Wide::shift_jis},
                            Known{"windows932", Wide::shift_jis}, Known{"shiftjis2004", Wide::shift_jis},
                            Known{"big5", Wide::two_bytes},       Known{"win950", Wide::two_bytes},
                            Known{"windows950", Wide::two_bytes}, Known{"gbk", Wide::two_bytes},
                            Known{"win936", Wide::two_bytes},     Known{"windows936", Wide::two_bytes},
                            Known{"uhc", Wide::two_bytes},        Known{"win949", Wide::two_bytes},
                            Known{"windows949", Wide::two_bytes}, Known{"gb18030", Wide::gb18030}};
  constexpr std::array<std::string_view, 2> unread{"johab", "muleinternal"};
  if (std::ranges::find(unread, encoding) != unread.end()) return std::nullopt;
  const auto* const found = std::ranges::find(wide, encoding, &Known::name);
  return found == wide.end() ? Wide::none : found->wide;
}

std::string quote_name(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) {
    out += c;
    if (c == '"') out += c;
  }
  return out + "\"";
}

}  // namespace tmb::sql
