// SPDX-License-Identifier: MIT
// One statement as a list of words, names, strings and signs. Knows how SQL is quoted, not what it means.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sql/spelling.hh"

namespace tmb::sql {

struct Token {
  enum class Kind {
    word,    // unquoted: keyword or name
    quoted,  // "name"
    string,  // '…', E'…', and what B, X, N or U& stand before
    dollar,  // $tag$…$tag$
    number,
    parameter,  // $1
    sign,       // one character: , ( ) ; . : = and so on
  };
  Kind kind = Kind::sign;
  std::string_view text;  // as written, quotes included
  unsigned depth = 0;     // of parentheses around it; "(" and ")" themselves have that of what is outside

  // An unquoted word, in any case. `upper` in capitals.
  bool is(std::string_view upper) const;
  bool is_sign(char c) const { return kind == Kind::sign && text.size() == 1 && text[0] == c; }
  bool is_name() const { return kind == Kind::word || kind == Kind::quoted; }
};

// Without comments. Throws damaged for a text that is not exactly one statement with its semicolon.
std::vector<Token> tokenize(std::string_view statement, Spelling spelling);

// As the server stores it: unquoted in lower case, quoted without its quotes.
std::string name_of(const Token& token);
// The content of a string or dollar string, escapes resolved as far as pg_dump writes them.
std::string content_of(const Token& token, Spelling spelling);
// The words of a text that is no whole statement (the body of a function), quietly ending at its end.
std::vector<Token> words_in(std::string_view text, Spelling spelling);

// schema.name as PostgreSQL's own: quoted where needed.
std::string quote_name(std::string_view name);

}  // namespace tmb::sql
