// SPDX-License-Identifier: MIT
// ALTER, kind by kind: the changes that pg_dump writes and no other.
#include <algorithm>
#include <array>

#include "base/error.hh"
#include "sql/statement_parts.hh"

namespace tmb::sql {

namespace {

// ALTER [COLUMN] name SET …, behind the first word.
void alter_column(StatementParts& p, const Verdict& v) {
  const bool said = p.accept({"COLUMN"});
  p.step();
  if (p.peek().is("TYPE") || (p.peek().is("SET") && p.peek(1).is("DATA")))
    refuse("ALTER COLUMN … TYPE", "it rewrites rows; pg_dump does not write it");
  if (!said) refuse(v.what, "pg_dump writes it with the word COLUMN");
  if (p.accept({"ADD", "GENERATED"}) || p.accept({"OPTIONS"})) return;
  constexpr std::array settable{"DEFAULT", "STATISTICS", "STORAGE", "COMPRESSION", "NOT"};
  const Token& next = p.peek(1);
  const bool known = next.is_sign('(') || std::ranges::any_of(settable, [&](auto* w) { return next.is(w); });
  if (!p.accept({"SET"}) || !known) refuse(v.what + " … ALTER COLUMN", "pg_dump does not write it so");
}

// ADD CONSTRAINT name …, behind both words.
void add_constraint(StatementParts& p, Verdict& v, const Name& table) {
  if (p.has({"FOREIGN", "KEY"})) {
    v.effect = Effect::foreign_key;
    v.name = table;
    while (!p.at_end() && !(p.peek().is("REFERENCES") && p.peek().depth == 0)) p.step();
    p.step();
    v.other = p.read_name();
  } else if (p.has({"PRIMARY", "KEY"}) || p.has({"UNIQUE"}) || p.has({"EXCLUDE"})) {
    v.effect = Effect::key;
    v.name = table;
  }
}

bool is_list_of_changes(const StatementParts& p) {
  const std::vector<Token>& tokens = p.tokens();
  return std::any_of(tokens.begin() + static_cast<std::ptrdiff_t>(p.position()), tokens.end(),
                     [](const Token& t) { return t.depth == 0 && t.is_sign(','); });
}

// ALTER TABLE [IF EXISTS] [ONLY] name, what follows.
void alter_table(StatementParts& p, Verdict& v) {
  p.accept({"IF", "EXISTS"});
  p.accept({"ONLY"});
  const Name name = p.read_name();
  if (p.has({"DROP", "CONSTRAINT"}) || p.has({"DROP", "DEFAULT"}) || p.has({"DROP", "IDENTITY"}) ||
      p.has({"DROP", "NOT", "NULL"})) {
    v.action = Action::skip;  // of --clean
    return;
  }
  if (is_list_of_changes(p)) refuse(v.what, "pg_dump writes one change at a time");
  if (p.accept({"ALTER"})) return alter_column(p, v);
  if (p.accept({"ADD", "CONSTRAINT"})) return add_constraint(p, v, name);
  if (p.accept({"ENABLE"}) || p.accept({"DISABLE"})) {
    if (!p.accept({"ALWAYS"})) p.accept({"REPLICA"});
    if (p.accept({"TRIGGER"}) || p.accept({"RULE"}) || p.accept({"ROW", "LEVEL", "SECURITY"})) return;
  }
  if (p.accept({"FORCE", "ROW"}) || p.accept({"NO", "FORCE", "ROW"}) || p.accept({"ATTACH", "PARTITION"}) ||
      p.accept({"INHERIT"}) || p.accept({"CLUSTER", "ON"}) || p.accept({"REPLICA", "IDENTITY"}) ||
      p.accept({"SET", "ACCESS", "METHOD", "HEAP"}) || p.accept({"SET", "WITHOUT"}) ||
      p.accept({"OPTIONS"})) {
    return;
  }
  if (p.peek().is("SET") && p.peek(1).is_sign('(')) return;
  refuse(v.what, "pg_dump does not write this change of a table");
}

}  // namespace

void judge_alter(StatementParts& p, Verdict& v) {
  v.what = "ALTER " + name_of(p.peek());
  for (const char* word : {"SYSTEM", "ROLE", "USER", "GROUP", "TABLESPACE"}) {
    if (p.peek().is(word) && !p.peek(1).is("MAPPING")) {
      refuse(v.what, p.peek().is("SYSTEM") ? "it changes the server's configuration"
                                           : "it works on the server as a whole");
    }
  }
  if (p.peek().is("EXTENSION")) refuse(v.what, "pg_dump does not write it");
  if (p.accept({"DATABASE"})) {
    v.action = Action::skip;
    if (p.has({"SET"})) v.left_out = "settings of the database (those of the live one stay)";
    return;
  }
  if (p.peek().is("SUBSCRIPTION") || p.peek().is("LANGUAGE") || p.peek().is("PROCEDURAL")) {
    v.action = Action::skip;
    return;
  }
  if (p.peek().is("DEFAULT") && p.peek(1).is("PRIVILEGES")) return judge_grant(p, v);
  const std::vector<Token>& tokens = p.tokens();
  const std::size_t n = tokens.size();
  if (n > 4 && tokens[n - 4].is("OWNER") && tokens[n - 3].is("TO") && tokens[n - 4].depth == 0) {
    if (is_list_of_changes(p)) refuse(v.what, "pg_dump writes one change at a time");
    v.effect = Effect::owner;
    v.roles.push_back(p.role_at(tokens[n - 2]));
    if (p.peek().is("SCHEMA") && name_of(p.peek(1)) == "public") v.action = Action::skip;
    return;
  }
  if (p.peek().is("EVENT")) {
    v.effect = Effect::event_trigger;
    return;
  }
  if (p.accept({"TABLE"}) || p.accept({"FOREIGN", "TABLE"})) return alter_table(p, v);
  // A function under another name would no longer be the one that was judged.
  if (p.has({"RENAME"}) || p.has({"SET", "SCHEMA"})) refuse(v.what, "pg_dump gives nothing another name");
  if (p.peek().is("OPERATOR")) {
    v.code = "operator " + name_of(p.peek(1));
    return;
  }
  for (const char* word :
       {"FOREIGN",     "VIEW",      "MATERIALIZED", "SEQUENCE",  "INDEX",  "TYPE",      "DOMAIN",
        "FUNCTION",    "PROCEDURE", "ROUTINE",      "AGGREGATE", "SCHEMA", "COLLATION", "STATISTICS",
        "PUBLICATION", "SERVER",    "LARGE",        "TEXT",      "USER",   "POLICY",    "TRIGGER"}) {
    if (p.peek().is(word)) return;
  }
  refuse(v.what, "pg_dump does not write it");
}

}  // namespace tmb::sql
