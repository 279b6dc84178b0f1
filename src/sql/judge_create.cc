// SPDX-License-Identifier: MIT
// CREATE, kind by kind.
#include <algorithm>
#include <array>

#include "base/error.hh"
#include "sql/statement_parts.hh"

namespace tmb::sql {

namespace {

std::string describe(const std::string& kind, const Name& name) { return kind + " " + name.text(); }

void create_schema(StatementParts& p, Verdict& v) {
  p.accept({"IF", "NOT", "EXISTS"});
  v.effect = Effect::schema;
  v.name = {"", name_of(p.peek())};
  p.step();
  if (!p.at_end()) refuse("CREATE SCHEMA", "pg_dump writes nothing behind its name");
  if (v.name.name == "public") v.action = Action::skip;  // it is there
}

void create_extension(StatementParts& p, Verdict& v) {
  p.accept({"IF", "NOT", "EXISTS"});
  v.effect = Effect::extension;
  v.name = {"public", name_of(p.peek())};
  p.step();
  if (p.accept({"WITH", "SCHEMA"})) {
    v.name.schema = name_of(p.peek());
    p.step();
  }
  if (p.accept({"VERSION"})) p.step();
  if (!p.at_end()) refuse("CREATE EXTENSION", "pg_dump writes nothing but its schema behind it");
  if (!is_harmless_extension(v.name.name))
    v.code = "extension " + v.name.name + ", whose functions may reach beyond the database";
  if (v.name.name == "timescaledb") p.set_timescale();
  if (v.name.name == "plpgsql") v.action = Action::skip;  // every database has it
}

// (a integer, b text DEFAULT f(1, 2), CONSTRAINT c CHECK (…)): the first word of each part that is a column.
std::vector<std::string> column_names(const StatementParts& p) {
  constexpr std::array not_columns{"CONSTRAINT", "LIKE", "CHECK", "PRIMARY", "UNIQUE", "FOREIGN", "EXCLUDE"};
  std::vector<std::string> out;
  const std::vector<Token>& tokens = p.tokens();
  std::size_t i = p.position();
  if (!tokens[i].is_sign('(')) return out;
  for (++i; i < tokens.size() && tokens[i].depth > 0; ++i) {
    const bool first = tokens[i - 1].depth <= 1 && (tokens[i - 1].is_sign('(') || tokens[i - 1].is_sign(','));
    const bool starts = first && tokens[i].depth == 1 && tokens[i].is_name() &&
                        (tokens[i - 1].is_sign(',') || tokens[i - 1].depth == 0);
    if (!starts) continue;
    const bool other = std::any_of(not_columns.begin(), not_columns.end(),
                                   [&](const char* word) { return tokens[i].is(word); });
    if (!other) out.push_back(name_of(tokens[i]));
  }
  return out;
}

void create_table(StatementParts& p, Verdict& v) {
  p.accept({"IF", "NOT", "EXISTS"});
  v.name = p.read_name();
  v.effect = Effect::table;
  if (p.has({"AS"})) refuse("CREATE TABLE … AS", "it runs a query; pg_dump does not write it");
  if (p.has({"PARTITION", "BY"})) v.effect = Effect::none;  // its rows are in its partitions
  v.columns = column_names(p);
}

void create_foreign_table(StatementParts& p, Verdict& v) {
  v.name = p.read_name();
  v.code = describe("foreign table", v.name);
}

// The words behind `word` outside parentheses: the language of a function.
const Token* after(const StatementParts& p, std::string_view word) {
  const std::vector<Token>& tokens = p.tokens();
  for (std::size_t i = p.position(); i + 1 < tokens.size(); ++i) {
    if (tokens[i].depth == 0 && tokens[i].is(word)) return &tokens[i + 1];
  }
  return nullptr;
}

// The text of a routine as tokens: out of its string, or what stands behind BEGIN ATOMIC or RETURN.
std::vector<Token> routine_body(const StatementParts& p, std::string& content) {
  if (const Token* body = after(p, "AS");
      body != nullptr && (body->kind == Token::Kind::string || body->kind == Token::Kind::dollar)) {
    content = content_of(*body, p.spelling());
    return words_in(content, p.spelling());
  }
  const std::vector<Token>& tokens = p.tokens();
  for (std::size_t i = p.position(); i < tokens.size(); ++i) {
    const bool begins = tokens[i].depth == 0 && (tokens[i].is("RETURN") || tokens[i].is("ATOMIC"));
    if (begins) return {tokens.begin() + static_cast<std::ptrdiff_t>(i), tokens.end()};
  }
  return {};
}

void create_routine(StatementParts& p, Verdict& v, const std::string& kind) {
  v.name = p.read_name();
  const std::string what = "the " + describe(kind, v.name);
  const Token* language = after(p, "LANGUAGE");
  std::string name = "sql";  // of a body in BEGIN ATOMIC … END
  if (language != nullptr) {
    name = language->kind == Token::Kind::string ? content_of(*language, p.spelling()) : name_of(*language);
  }
  if (name != "sql" && name != "plpgsql") {
    refuse(what, "it is in LANGUAGE " + name + "; only sql and plpgsql are loaded");
  }
  std::string content;
  const std::vector<Token> body = routine_body(p, content);
  refuse_dangerous_names(body, what);
  const bool copies = std::any_of(body.begin(), body.end(), [](const Token& t) { return t.is("PROGRAM"); });
  if (copies) refuse(what, "it names PROGRAM, with which the server runs programs");
  if (name == "sql" && !p.has({"SECURITY", "DEFINER"}) && only_computes(body)) return;
  v.code = describe(kind, v.name) + " (" + name + ")";
}

void create_type(StatementParts& p, Verdict& v) {
  v.name = p.read_name();
  if (p.at_end() || p.peek().is_sign('('))
    refuse("CREATE TYPE " + v.name.text(), "a base type takes functions in C");
  if (p.accept({"AS", "RANGE"})) {
    for (const Token& t : p.tokens()) {
      if (t.depth == 1 && (t.is("CANONICAL") || t.is("SUBTYPE_DIFF") || t.is("SUBTYPE_OPCLASS"))) {
        v.code = describe("range type", v.name);
      }
    }
    return;
  }
  if (!p.peek().is("AS")) refuse("CREATE TYPE " + v.name.text(), "pg_dump writes it otherwise");
}

void create_index(StatementParts& p, Verdict& v) {
  v.effect = Effect::index;
  if (p.has({"CONCURRENTLY"})) refuse("CREATE INDEX CONCURRENTLY", "pg_dump does not write it");
  while (!p.at_end() && !p.peek().is("ON")) p.step();
  p.step();
  p.accept({"ONLY"});
  v.name = p.read_name();  // of the table
}

// CREATE DATABASE name WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'C.UTF-8'
void create_database(StatementParts& p, Verdict& v) {
  v.effect = Effect::database;
  v.action = Action::skip;
  v.name = {"", name_of(p.peek())};
  v.values.assign(7, "");  // encoding, provider, collate, ctype, locale, icu locale, builtin locale
  constexpr std::array words{"ENCODING", "LOCALE_PROVIDER", "LC_COLLATE",    "LC_CTYPE",
                             "LOCALE",   "ICU_LOCALE",      "BUILTIN_LOCALE"};
  for (; !p.at_end(); p.step()) {
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (!p.peek().is(words[i]) || !p.peek(1).is_sign('=')) continue;
      const Token& value = p.peek(2);
      v.values[i] = value.kind == Token::Kind::string ? content_of(value, p.spelling()) : name_of(value);
    }
  }
}

void create_text_search(StatementParts& p, Verdict& v) {
  const bool plain = p.peek().is("DICTIONARY") || p.peek().is("CONFIGURATION");
  if (!plain) refuse("CREATE TEXT SEARCH " + name_of(p.peek()), "it takes functions in C");
  p.step();
  v.name = p.read_name();
}

void create_subscription(StatementParts& p, Verdict& v) {
  v.action = Action::skip;
  v.left_out = "the subscription " + name_of(p.peek());
}

void create_language(StatementParts& p, Verdict& v) {
  if (name_of(p.peek()) != "plpgsql")
    refuse("CREATE LANGUAGE " + name_of(p.peek()), "it brings a programming language");
  v.action = Action::skip;
}

// The trigger that TimescaleDB puts on a hypertable: it calls a function of the extension's, and no dump that
// makes that function itself is loaded unseen.
bool is_of_timescale(const StatementParts& p) {
  const std::vector<Token>& t = p.tokens();
  const std::size_t n = t.size();
  return n > 6 && name_of(p.peek()) == "ts_insert_blocker" && t[n - 2].is_sign(')') &&
         t[n - 3].is_sign('(') && name_of(t[n - 4]) == "insert_blocker" && t[n - 5].is_sign('.') &&
         (name_of(t[n - 6]) == "_timescaledb_functions" || name_of(t[n - 6]) == "_timescaledb_internal");
}

void create_code(StatementParts& p, Verdict& v, const std::string& kind) {
  if (kind == "trigger" && is_of_timescale(p)) return;
  v.code = kind;
  if (p.peek().is_name()) v.code += " " + name_of(p.peek());
}

void create_refused(const std::string& kind, const std::string& why) { refuse("CREATE " + kind, why); }

constexpr const char* whole_server = "it works on the server as a whole";
constexpr const char* takes_c = "it takes functions in C";

}  // namespace

void judge_create(StatementParts& p, Verdict& v) {
  p.accept({"OR", "REPLACE"});
  std::string kind = name_of(p.peek());
  v.what = "CREATE " + kind;
  for (const char* word : {"TEMP", "TEMPORARY", "LOCAL", "GLOBAL"}) {
    if (p.peek().is(word)) create_refused(kind, "a dump holds nothing temporary");
  }
  if (p.accept({"UNLOGGED", "TABLE"}) || p.accept({"TABLE"})) return create_table(p, v);
  if (p.accept({"FOREIGN", "TABLE"})) return create_foreign_table(p, v);
  if (p.accept({"SCHEMA"})) return create_schema(p, v);
  if (p.accept({"EXTENSION"})) return create_extension(p, v);
  if (p.accept({"FUNCTION"})) return create_routine(p, v, "function");
  if (p.accept({"PROCEDURE"})) return create_routine(p, v, "procedure");
  if (p.accept({"INDEX"}) || p.accept({"UNIQUE", "INDEX"})) return create_index(p, v);
  if (p.accept({"TYPE"})) return create_type(p, v);
  if (p.accept({"DATABASE"})) return create_database(p, v);
  if (p.accept({"TEXT", "SEARCH"})) return create_text_search(p, v);
  if (p.accept({"SUBSCRIPTION"})) return create_subscription(p, v);
  if (p.accept({"EVENT", "TRIGGER"})) {
    v.effect = Effect::event_trigger;
    return create_code(p, v, "event trigger");
  }
  if (p.accept({"PROCEDURAL", "LANGUAGE"}) || p.accept({"TRUSTED", "LANGUAGE"}) || p.accept({"LANGUAGE"}) ||
      p.accept({"TRUSTED", "PROCEDURAL", "LANGUAGE"})) {
    return create_language(p, v);
  }
  if (p.accept({"MATERIALIZED", "VIEW"}) && !p.has({"WITH", "NO", "DATA"})) {
    refuse("CREATE MATERIALIZED VIEW", "pg_dump fills it with a statement of its own");
  }
  for (const char* word :
       {"TRIGGER", "CONSTRAINT", "RULE", "CAST", "OPERATOR", "AGGREGATE", "SERVER", "USER"}) {
    if (!p.peek().is(word) || (p.peek().is("USER") && !p.peek(1).is("MAPPING"))) continue;
    p.step();
    return create_code(p, v, kind);
  }
  for (const char* word : {"ROLE", "USER", "GROUP", "TABLESPACE"}) {
    if (p.peek().is(word)) create_refused(kind, whole_server);
  }
  for (const char* word : {"CONVERSION", "ACCESS", "TRANSFORM", "FOREIGN"}) {
    if (p.peek().is(word)) create_refused(kind, takes_c);
  }
  for (const char* word :
       {"VIEW", "RECURSIVE", "SEQUENCE", "DOMAIN", "COLLATION", "POLICY", "PUBLICATION", "STATISTICS"}) {
    if (!p.peek().is(word)) continue;
    p.step();
    if (std::string_view(word) == "RECURSIVE") p.accept({"VIEW"});
    v.name = p.read_name();
    return;
  }
  if (p.position() > 2 && p.tokens()[p.position() - 1].is("VIEW")) return;  // MATERIALIZED VIEW, from above
  create_refused(kind, "pg_dump does not write it");
}

}  // namespace tmb::sql
