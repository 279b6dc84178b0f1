// SPDX-License-Identifier: MIT
#include "sql/judge.hh"

#include <algorithm>
#include <array>

#include "base/error.hh"
#include "sql/statement_parts.hh"

namespace tmb::sql {

namespace {

struct Refusal {
  const char* word;
  const char* why;
};

// Statements that are known and never in a dump, with what they would do.
constexpr std::array refusals{
    Refusal{"DO", "it runs a program written in the file"},
    Refusal{"CALL", "it runs a procedure"},
    Refusal{"EXECUTE", "it runs a prepared statement"},
    Refusal{"PREPARE", "it prepares a statement for later"},
    Refusal{"LOAD", "it loads a library into the server"},
    Refusal{"TRUNCATE", "it empties a table"},
    Refusal{"UPDATE", "it changes rows"},
    Refusal{"DELETE", "it deletes rows"},
    Refusal{"MERGE", "it changes rows"},
    Refusal{"WITH", "it may change rows"},
    Refusal{"VALUES", "it is a query"},
    Refusal{"TABLE", "it is a query"},
    Refusal{"EXPLAIN", "it may run a query"},
    Refusal{"DECLARE", "it opens a cursor"},
    Refusal{"FETCH", "it reads a cursor"},
    Refusal{"LISTEN", "it waits for messages"},
    Refusal{"NOTIFY", "it sends messages"},
    Refusal{"IMPORT", "it reads another server's tables"},
    Refusal{"REASSIGN", "it changes who owns everything of a role"},
    Refusal{"DISCARD", "it changes the session"},
    Refusal{"VACUUM", "it has no place in a dump"},
    Refusal{"ANALYZE", "it has no place in a dump"},
    Refusal{"CLUSTER", "it has no place in a dump"},
    Refusal{"REINDEX", "it has no place in a dump"},
    Refusal{"CHECKPOINT", "it works on the server as a whole"},
    Refusal{"LOCK", "it locks a table"},
};

void judge_drop(StatementParts& p, Verdict& v) {
  v.what = "DROP";
  for (const char* kind : {"ROLE", "USER", "GROUP", "OWNED", "TABLESPACE", "SUBSCRIPTION"}) {
    if (p.peek().is(kind) && !p.peek(1).is("MAPPING")) {
      refuse(std::string("DROP ") + kind, "it works on the server as a whole");
    }
  }
  v.action = Action::skip;  // of --clean: there is nothing yet that could be dropped
}

void judge_comment(StatementParts& p, Verdict& v) {
  v.what = "COMMENT";
  if (!p.accept({"ON"})) refuse("COMMENT", "it does not say on what");
  if (p.peek().is("ROLE") || p.peek().is("TABLESPACE")) {
    refuse("COMMENT ON " + name_of(p.peek()), "it works on the server as a whole");
  }
  if (p.peek().is("EVENT")) v.effect = Effect::event_trigger;  // it comes when the trigger is there
  const bool of_public = p.peek().is("SCHEMA") && name_of(p.peek(1)) == "public";
  // Those are of the server's own making, and the staging database has them.
  if (p.peek().is("EXTENSION") || p.peek().is("DATABASE") || of_public) v.action = Action::skip;
  if (p.peek().is("SUBSCRIPTION")) v.action = Action::skip;
}

void judge_refresh(StatementParts& p, Verdict& v) {
  v.what = "REFRESH";
  if (!p.accept({"MATERIALIZED", "VIEW"})) refuse("REFRESH", "it is of no materialised view");
  v.effect = Effect::materialized_view;
  v.name = p.read_name();
  if (!p.at_end()) refuse("REFRESH MATERIALIZED VIEW", "it says more than pg_dump does");
}

void judge_reset(StatementParts& p, Verdict&) {
  const bool of_role = p.peek().is("ROLE") || p.peek().is("SESSION");
  refuse("RESET",
         of_role ? "a dump may not change the role that it is loaded as" : "pg_dump does not write it");
}

using Function = void (*)(StatementParts&, Verdict&);
struct Known {
  const char* word;
  Function function;
};

constexpr std::array known{
    Known{"SET", judge_set},         Known{"SELECT", judge_select}, Known{"CREATE", judge_create},
    Known{"ALTER", judge_alter},     Known{"COPY", judge_copy},     Known{"INSERT", judge_insert},
    Known{"GRANT", judge_grant},     Known{"REVOKE", judge_grant},  Known{"COMMENT", judge_comment},
    Known{"REFRESH", judge_refresh}, Known{"DROP", judge_drop},     Known{"RESET", judge_reset},
};

// The four that carry no danger and no content.
bool judge_bracket(const StatementParts& p, Verdict& v) {
  const bool bracket = p.peek().is("BEGIN") || p.peek().is("COMMIT");
  if (bracket && p.tokens().size() == 2) {
    v.what = name_of(p.peek());
    v.action = Action::skip;  // each statement stands for itself: nobody sees the database before the swap
    return true;
  }
  if (p.peek().is("SECURITY") && p.peek(1).is("LABEL")) {
    v.what = "SECURITY LABEL";
    v.action = Action::skip;
    v.left_out = "security labels";
    return true;
  }
  return p.tokens().size() == 1;  // a semicolon alone
}

// Expressions that the server evaluates sooner or later: with each row, for an index, when somebody looks.
bool may_call(const Verdict& v) {
  if (v.action == Action::skip || !v.code.empty()) return false;
  if (v.effect == Effect::owner || v.effect == Effect::grant) return false;
  return v.what.starts_with("CREATE ") || v.what.starts_with("ALTER ");
}

// An owner or a right for something that the server brings itself, which is given by a superuser: whoever may
// call lo_put or pg_ls_dir, or owns it, reaches beyond the database.
std::string server_object(const StatementParts& p, const Verdict& v) {
  const std::vector<Token>& tokens = p.tokens();
  for (std::size_t i = 0; i + 2 < tokens.size(); ++i) {
    const Token& t = tokens[i];
    if (t.depth != 0 || !t.is_name() || (i > 0 && tokens[i - 1].is_sign('.'))) continue;
    const bool role = std::ranges::any_of(
        v.roles, [&](const RolePlace& place) { return place.offset == p.role_at(t).offset; });
    std::string name = name_of(t);
    if (!role && (name.starts_with("pg_") || name == "information_schema")) return name;
    const bool routine = t.is("FUNCTION") || t.is("PROCEDURE") || t.is("ROUTINE");
    if (routine && tokens[i + 1].is_name() && !tokens[i + 2].is_sign('.')) return name_of(tokens[i + 1]);
  }
  return "";
}

}  // namespace

Verdict Judge::judge(std::string_view statement) {
  StatementParts parts(statement, tokenize(statement, spelling_), *this);
  Verdict verdict;
  if (parts.tokens().size() == 1) verdict.action = Action::skip;
  if (judge_bracket(parts, verdict)) return verdict;
  const Token first = parts.peek();
  parts.step();
  for (const Known& k : known) {
    if (!first.is(k.word)) continue;
    k.function(parts, verdict);
    if (verdict.what.empty()) verdict.what = k.word;
    const bool checked = verdict.effect == Effect::setting || verdict.effect == Effect::sequence_position ||
                         verdict.effect == Effect::large_object;
    if (verdict.action != Action::skip && !checked) refuse_dangerous_names(parts.tokens(), verdict.what);
    if (verdict.action != Action::skip &&
        (verdict.effect == Effect::owner || verdict.effect == Effect::grant)) {
      const std::string object = server_object(parts, verdict);
      if (!object.empty()) verdict.code = "an owner or rights for the server's own " + object;
    }
    if (may_call(verdict)) {
      const std::string call = unknown_call(parts.tokens(), parts.position(), timescale_);
      if (!call.empty()) verdict.code = "a call of " + call + " (" + verdict.what + ")";
    }
    return verdict;
  }
  for (const Refusal& r : refusals) {
    if (first.is(r.word)) refuse(r.word, std::string(r.why) + "; pg_dump does not write it");
  }
  refuse(std::string(first.text.substr(0, 40)), "pg_dump writes no statement that begins so");
}

}  // namespace tmb::sql
