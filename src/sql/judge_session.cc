// SPDX-License-Identifier: MIT
// SET, SELECT, COPY, INSERT, GRANT and REVOKE.
#include <algorithm>
#include <array>

#include "base/error.hh"
#include "sql/statement_parts.hh"

namespace tmb::sql {

namespace {

// Of the session that loads; ours has its own for these.
constexpr std::array ignored_settings{"statement_timeout",
                                      "lock_timeout",
                                      "idle_in_transaction_session_timeout",
                                      "transaction_timeout",
                                      "idle_session_timeout",
                                      "client_min_messages",
                                      "row_security",
                                      "escape_string_warning",
                                      "check_function_bodies",
                                      "synchronize_seqscans",
                                      "default_toast_compression",
                                      "default_transaction_read_only",
                                      "transaction_read_only"};

bool on_list(const auto& list, const std::string& word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

bool is_literal(const Token& t) {
  return t.kind == Token::Kind::string || t.kind == Token::Kind::number || t.is("TRUE") || t.is("FALSE") ||
         t.is("NULL");
}

std::string value_of(const Token& t, Spelling spelling) {
  return t.kind == Token::Kind::string ? content_of(t, spelling) : name_of(t);
}

// (literal, literal …) up to the end of the statement.
std::vector<std::string> read_literals(StatementParts& p, const std::string& what) {
  std::vector<std::string> out;
  if (!p.accept_sign('(')) refuse(what, "pg_dump writes it otherwise");
  while (!p.at_end()) {
    const bool negative = p.accept_sign('-');
    if (!is_literal(p.peek())) refuse(what, "pg_dump calls it with plain values only");
    out.push_back((negative ? "-" : "") + value_of(p.peek(), p.spelling()));
    p.step();
    if (p.accept_sign(')')) break;
    if (!p.accept_sign(',')) refuse(what, "pg_dump calls it with plain values only");
  }
  if (!p.at_end()) refuse(what, "pg_dump writes nothing behind it");
  return out;
}

Name sequence_name(const std::string& text, const StatementParts& p) {
  // The text of a regclass: "public.cars_id_seq", quoted where needed.
  const std::string statement = text + ";";
  std::vector<Token> tokens = tokenize(statement, p.spelling());
  if (tokens.size() == 4 && tokens[0].is_name() && tokens[1].is_sign('.') && tokens[2].is_name()) {
    return {name_of(tokens[0]), name_of(tokens[2])};
  }
  if (tokens.size() == 2 && tokens[0].is_name()) return {p.default_schema(), name_of(tokens[0])};
  refuse("setval", "it is of something that is no name of a sequence");
}

void judge_encoding(const std::string& value, StatementParts& p) {
  std::string plain;
  for (const char c : value) {
    const bool part =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    if (!part) refuse("SET client_encoding", "that is no name of an encoding");
    if (c != '-' && c != '_') plain += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  if (plain.empty() || plain == "default") refuse("SET client_encoding", "pg_dump names the encoding");
  const std::optional<Wide> wide = wide_of(plain);
  if (!wide)
    unsupported("a dump in the encoding " + value, "its characters may hold bytes that look like quotes");
  p.set_encoding(value, *wide);
}

// Returns whether rows are called by plain values: ('a', 1, NULL), (…).
std::uint64_t read_rows_of_values(StatementParts& p) {
  std::uint64_t rows = 0;
  do {
    if (!p.accept_sign('(')) refuse("INSERT", "pg_dump writes rows of plain values");
    while (!p.accept_sign(')')) {
      if (p.at_end()) refuse("INSERT", "pg_dump writes rows of plain values");
      p.accept_sign('-');
      if (!is_literal(p.peek()) && !p.peek().is("DEFAULT"))
        refuse("INSERT", "pg_dump writes rows of plain values");
      p.step();
      if (!p.peek().is_sign(')') && !p.accept_sign(','))
        refuse("INSERT", "pg_dump writes rows of plain values");
    }
    ++rows;
  } while (p.accept_sign(','));
  return rows;
}

void judge_search_path(StatementParts& p) {
  std::vector<std::string> path;
  while (!p.at_end()) {
    const Token& t = p.peek();
    if (!t.is_name() && t.kind != Token::Kind::string) refuse("SET search_path", "it is no list of names");
    const std::string name = t.is_name() ? name_of(t) : content_of(t, p.spelling());
    if (!name.empty() && name != "pg_catalog") path.push_back(name);
    p.step();
    if (!p.at_end() && !p.accept_sign(',')) refuse("SET search_path", "it is no list of names");
  }
  p.set_search_path(std::move(path));
}

}  // namespace

void judge_set(StatementParts& p, Verdict& v) {
  v.effect = Effect::setting;
  p.accept({"SESSION"});
  if (p.peek().is("AUTHORIZATION") || p.peek().is("ROLE") || p.peek().is("LOCAL")) {
    refuse("SET " + name_of(p.peek()), "a dump may not change the role that it is loaded as");
  }
  const std::string name = name_of(p.peek());
  v.what = "SET " + name;
  p.step();
  if (!p.accept_sign('=') && !p.accept({"TO"})) refuse(v.what, "pg_dump writes it otherwise");
  if (name == "search_path") return judge_search_path(p);
  const std::string value = value_of(p.peek(), p.spelling());
  p.step();
  if (!p.at_end()) refuse(v.what, "pg_dump writes nothing behind it");
  if (on_list(ignored_settings, name)) {
    v.action = Action::skip;
  } else if (name == "standard_conforming_strings") {
    // The server knows more words for both; what it takes and we do not would be read differently.
    if (value != "on" && value != "off") refuse(v.what, "pg_dump says on or off");
    p.set_standard_strings(value == "on");
  } else if (name == "client_encoding") {
    judge_encoding(value, p);
  } else if (name == "default_tablespace") {
    v.action = Action::skip;
    if (!value.empty()) v.left_out = "the tablespace " + value + " (everything goes into the database's own)";
  } else if (name == "default_table_access_method") {
    if (value != "heap") unsupported(v.what, "tables of the kind " + value + " need their extension");
    v.action = Action::skip;
  } else if (name == "default_with_oids") {
    if (value != "false" && value != "off")
      unsupported("a table WITH OIDS", "PostgreSQL 12 and newer have none");
    v.action = Action::skip;
  } else if (name != "xmloption") {
    refuse(v.what, "pg_dump does not set it");
  }
}

void judge_select(StatementParts& p, Verdict& v) {
  // Statistics of PostgreSQL 18, and what --clean writes for large objects: not needed, gathered anew.
  const bool statistics = p.accept_sign('*') && p.accept({"FROM"});
  if (p.accept({"CASE", "WHEN", "EXISTS"}) && p.tokens().size() > 20) {
    v.what = "SELECT lo_unlink";
    v.action = Action::skip;
    return;
  }
  if (p.peek().is_name() && name_of(p.peek()) == "pg_catalog" && p.peek(1).is_sign('.')) {
    p.step();
    p.step();
  } else {
    refuse("SELECT", "pg_dump writes no query but for the positions of sequences");
  }
  const std::string function = name_of(p.peek());
  v.what = "SELECT " + function;
  p.step();
  if (statistics || function == "lo_unlink") {
    if (statistics && !function.starts_with("pg_restore_") && !function.starts_with("pg_clear_"))
      refuse(v.what, "pg_dump writes no query but for the positions of sequences");
    v.action = Action::skip;
    return;
  }
  const std::vector<std::string> values = read_literals(p, v.what);
  if (function == "set_config" && values.size() == 3 && values[0] == "search_path") {
    if (!values[1].empty()) refuse(v.what, "pg_dump sets the search path to nothing");
    v.effect = Effect::setting;
    p.set_search_path({});
  } else if (function == "setval" && (values.size() == 2 || values.size() == 3)) {
    v.effect = Effect::sequence_position;
    v.name = sequence_name(values[0], p);
    v.values = {values[1], values.size() == 2 ? "true" : values[2]};
  } else if (function == "lo_create" || function == "lo_open" || function == "lowrite" ||
             function == "lo_close") {
    v.effect = Effect::large_object;
  } else {
    refuse(v.what, "pg_dump does not call it");
  }
}

void judge_copy(StatementParts& p, Verdict& v) {
  v.what = "COPY";
  v.action = Action::copy;
  if (p.peek().is_sign('(')) refuse("COPY of a query", "pg_dump writes rows only");
  v.name = p.read_name();
  v.columns = p.read_names_in_parentheses();
  if (p.has({"PROGRAM"})) refuse("COPY … PROGRAM", "it runs a program on the server");
  if (p.peek().is("TO")) refuse("COPY … TO", "it writes out of the database");
  if (p.accept({"WITH", "OIDS"})) unsupported("COPY … WITH OIDS", "PostgreSQL 12 and newer have none");
  if (!p.accept({"FROM"})) refuse("COPY", "pg_dump writes it otherwise");
  if (p.peek().kind == Token::Kind::string) refuse("COPY … FROM a file", "it reads a file of the server");
  if (!p.accept({"STDIN"}) || !p.at_end())
    refuse("COPY", "pg_dump writes COPY … FROM stdin and nothing else");
}

void judge_insert(StatementParts& p, Verdict& v) {
  v.what = "INSERT";
  v.effect = Effect::rows;
  if (!p.accept({"INTO"})) refuse("INSERT", "pg_dump writes it otherwise");
  v.name = p.read_name();
  v.columns = p.read_names_in_parentheses();
  if (p.accept({"DEFAULT", "VALUES"})) {
    v.count = 1;
  } else {
    p.accept({"OVERRIDING", "SYSTEM", "VALUE"});
    p.accept({"OVERRIDING", "USER", "VALUE"});
    if (!p.accept({"VALUES"})) refuse("INSERT", "pg_dump writes rows of plain values");
    v.count = read_rows_of_values(p);
  }
  if (p.accept({"ON", "CONFLICT", "DO", "NOTHING"})) {
    unsupported("INSERT … ON CONFLICT DO NOTHING",
                "how many rows the file has cannot be told (made with "
                "--on-conflict-do-nothing)");
  }
  if (!p.at_end()) refuse("INSERT", "pg_dump writes rows of plain values");
}

void judge_grant(StatementParts& p, Verdict& v) {
  v.what = "GRANT";
  v.effect = Effect::grant;
  const std::vector<Token>& tokens = p.tokens();
  if (!p.has({"ON"})) refuse("GRANT of a role", "a dump may not change what roles may do on the server");
  for (std::size_t i = p.position(); i + 1 < tokens.size(); ++i) {
    const Token& t = tokens[i];
    if (t.depth != 0 || (i > 0 && tokens[i - 1].is_sign('.'))) continue;
    if (t.is("ON")) {
      const Token& kind = tokens[i + 1];
      if (kind.is("TABLESPACE") || kind.is("PARAMETER"))
        refuse("GRANT ON " + name_of(kind), "it works on the server as a whole");
      if (kind.is("DATABASE")) v.action = Action::skip;  // the live database's grants are kept
    }
    const bool before_role = t.is("TO") || t.is("FROM") || t.is("BY") || t.is("ROLE");
    if (before_role && tokens[i + 1].is_name() && !tokens[i + 1].is("PUBLIC")) {
      v.roles.push_back(p.role_at(tokens[i + 1]));
      if (tokens[i + 2].is_sign(','))
        unsupported("GRANT to several roles at once", "pg_dump writes one by one");
    }
  }
}

}  // namespace tmb::sql
