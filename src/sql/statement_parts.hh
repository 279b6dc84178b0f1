// SPDX-License-Identifier: MIT
// The tokens of a statement, read from the left. Private to sql/.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "sql/judge.hh"
#include "sql/tokens.hh"

namespace tmb::sql {

class StatementParts {
 public:
  StatementParts(std::string_view text, std::vector<Token> tokens, Judge& judge)
      : text_(text), tokens_(std::move(tokens)), judge_(judge) {}

  const std::vector<Token>& tokens() const { return tokens_; }
  Judge& judge() { return judge_; }
  Spelling spelling() const { return judge_.spelling_; }
  void set_standard_strings(bool on) { judge_.spelling_.standard_strings = on; }
  void set_encoding(std::string encoding, Wide wide) {
    judge_.encoding_ = std::move(encoding);
    judge_.spelling_.wide = wide;
  }
  bool timescale() const { return judge_.timescale_; }
  void set_timescale() { judge_.timescale_ = true; }
  void set_search_path(std::vector<std::string> path) { judge_.search_path_ = std::move(path); }

  // The token `ahead` of the position; the final semicolon behind the end.
  const Token& peek(std::size_t ahead = 0) const;
  bool at_end() const { return at_ + 1 >= tokens_.size(); }  // only the semicolon is left
  void step() { ++at_; }
  // Steps over these words if they are the next.
  bool accept(std::initializer_list<std::string_view> words);
  bool accept_sign(char sign);
  // [schema.]name; without a schema the first of the search path.
  Name read_name();
  // (a, "b", c); empty when no parenthesis follows.
  std::vector<std::string> read_names_in_parentheses();
  // Whether these words stand one after another outside all parentheses, from the position on.
  bool has(std::initializer_list<std::string_view> words) const;
  std::string default_schema() const;
  RolePlace role_at(const Token& token) const;
  // The position of `token` counted in tokens.
  std::size_t position() const { return at_; }

 private:
  std::string_view text_;
  std::vector<Token> tokens_;
  Judge& judge_;
  std::size_t at_ = 0;
};

// Throws damaged: `what` is not written by pg_dump, `why` it is refused.
[[noreturn]] void refuse(const std::string& what, const std::string& why);
[[noreturn]] void unsupported(const std::string& what, const std::string& why);

// Throws damaged when the statement names something that reads or writes the server's files, runs programs or
// reaches other servers.
void refuse_dangerous_names(const std::vector<Token>& tokens, const std::string& what);

// The first function called in `tokens`, from the position on, that is not known as harmless; empty: none.
// `timescale`: the dump is of a database with that extension, whose functions are no dump's own.
std::string unknown_call(const std::vector<Token>& tokens, std::size_t from, bool timescale);

// Whether its functions do nothing but compute, or are looked after elsewhere.
bool is_harmless_extension(const std::string& name);

// Whether the text of a function can do nothing but compute from its arguments.
bool only_computes(const std::vector<Token>& body);

void judge_create(StatementParts& parts, Verdict& verdict);
void judge_alter(StatementParts& parts, Verdict& verdict);
void judge_select(StatementParts& parts, Verdict& verdict);
void judge_set(StatementParts& parts, Verdict& verdict);
void judge_copy(StatementParts& parts, Verdict& verdict);
void judge_insert(StatementParts& parts, Verdict& verdict);
void judge_grant(StatementParts& parts, Verdict& verdict);

}  // namespace tmb::sql
