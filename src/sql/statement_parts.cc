// SPDX-License-Identifier: MIT
#include "sql/statement_parts.hh"

#include <algorithm>
#include <array>

#include "base/error.hh"

namespace tmb::sql {

using base::Error;
using base::ExitCode;

namespace {

// What reads or writes files of the server, runs programs on it, reaches other servers or runs SQL out of a
// string. Views over such functions are refused like the functions: nobody's TeslaMate has them.
constexpr std::array dangerous{"lo_import",
                               "lo_export",
                               "pg_read_file",
                               "pg_read_binary_file",
                               "pg_stat_file",
                               "pg_file_write",
                               "pg_file_read",
                               "pg_file_rename",
                               "pg_file_unlink",
                               "pg_file_sync",
                               "pg_file_length",
                               "pg_logdir_ls",
                               "pg_current_logfile",
                               "pg_hba_file_rules",
                               "pg_execute_server_program",
                               "pg_read_server_files",
                               "pg_write_server_files",
                               "query_to_xml",
                               "query_to_xmlschema",
                               "query_to_xml_and_xmlschema",
                               "cursor_to_xml",
                               "table_to_xml",
                               "schema_to_xml",
                               "database_to_xml",
                               "ts_stat",
                               "pg_terminate_backend",
                               "pg_cancel_backend",
                               "pg_reload_conf",
                               "pg_rotate_logfile",
                               "pg_promote",
                               "pg_switch_wal",
                               "pg_create_restore_point",
                               "pg_backup_start",
                               "pg_backup_stop",
                               "pg_start_backup",
                               "pg_stop_backup",
                               "pg_wal_replay_pause",
                               "pg_replication_origin_create",
                               "pg_create_logical_replication_slot",
                               "pg_create_physical_replication_slot",
                               "pg_drop_replication_slot",
                               "pg_logical_emit_message",
                               "pg_read_all_data",
                               "pg_write_all_data",
                               "set_config",
                               "xpath_table",
                               "pg_authid",
                               "pg_shadow"};
constexpr std::array dangerous_beginnings{"pg_ls_", "dblink", "pg_import_", "binary_upgrade_",
                                          "postgres_fdw_"};

constexpr std::array harmless_calls{
    "ROUND",      "COALESCE",  "NULLIF",  "GREATEST", "LEAST",     "ABS",     "CEIL",   "CEILING", "FLOOR",
    "TRUNC",      "POWER",     "SQRT",    "EXP",      "LN",        "LOG",     "MOD",    "SIGN",    "UPPER",
    "LOWER",      "LENGTH",    "CONCAT",  "SUBSTR",   "SUBSTRING", "REPLACE", "TRIM",   "CAST",    "EXTRACT",
    "DATE_TRUNC", "DATE_PART", "TO_CHAR", "NUMERIC",  "DECIMAL",   "VARCHAR", "IN",     "AND",     "OR",
    "NOT",        "WHEN",      "THEN",    "ELSE",     "CASE",      "SELECT",  "RETURN", "VALUES"};
// Without these an SQL expression reads no table and changes nothing.
constexpr std::array reading_words{"FROM",  "INTO",    "INSERT", "UPDATE", "DELETE", "MERGE",
                                   "COPY",  "EXECUTE", "CALL",   "DO",     "SET",    "WITH",
                                   "TABLE", "DROP",    "CREATE", "ALTER",  "GRANT"};

bool among(const auto& list, const Token& token) {
  return std::any_of(list.begin(), list.end(), [&](const char* word) { return token.is(word); });
}

}  // namespace

const Token& StatementParts::peek(std::size_t ahead) const {
  return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
}

bool StatementParts::accept(std::initializer_list<std::string_view> words) {
  std::size_t ahead = 0;
  for (const std::string_view word : words) {
    if (!peek(ahead++).is(word)) return false;
  }
  at_ += words.size();
  return true;
}

bool StatementParts::accept_sign(char sign) {
  if (!peek().is_sign(sign)) return false;
  step();
  return true;
}

Name StatementParts::read_name() {
  if (!peek().is_name()) refuse("a statement without a name", "a name is expected where it has none");
  Name out{"", name_of(peek())};
  step();
  while (peek().is_sign('.') && peek(1).is_name()) {
    if (!out.schema.empty()) refuse("a name of three parts", "it would be of another database");
    out.schema = out.name;
    out.name = name_of(peek(1));
    at_ += 2;
  }
  if (out.schema.empty()) out.schema = default_schema();
  return out;
}

std::string StatementParts::default_schema() const {
  return judge_.search_path_.empty() ? "public" : judge_.search_path_.front();
}

std::vector<std::string> StatementParts::read_names_in_parentheses() {
  std::vector<std::string> out;
  if (!accept_sign('(')) return out;
  while (!peek().is_sign(')')) {
    if (!peek().is_name()) refuse("a list of columns", "something in it is no name");
    out.push_back(name_of(peek()));
    step();
    if (!peek().is_sign(')') && !accept_sign(',')) refuse("a list of columns", "something in it is no name");
  }
  step();
  return out;
}

bool StatementParts::has(std::initializer_list<std::string_view> words) const {
  for (std::size_t i = at_; i + words.size() <= tokens_.size(); ++i) {
    std::size_t k = i;
    const bool all = std::all_of(words.begin(), words.end(), [&](std::string_view word) {
      const Token& token = tokens_[k++];
      return token.depth == 0 && token.is(word);
    });
    if (all) return true;
  }
  return false;
}

RolePlace StatementParts::role_at(const Token& token) const {
  const auto offset = static_cast<std::size_t>(token.text.data() - text_.data());
  return {offset, token.text.size(), name_of(token)};
}

void refuse(const std::string& what, const std::string& why) {
  throw Error(ExitCode::damaged, base::printable(what) + " is refused: " + base::printable(why));
}

void unsupported(const std::string& what, const std::string& why) {
  throw Error(ExitCode::unsupported, base::printable(what) + " cannot be loaded: " + base::printable(why));
}

void refuse_dangerous_names(const std::vector<Token>& tokens, const std::string& what) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const Token& token = tokens[i];
    if (!token.is_name()) continue;
    // U&"…" can spell any name in a way that this list does not see.
    if (token.is("U") && i + 2 < tokens.size() && tokens[i + 1].is_sign('&') &&
        (tokens[i + 2].kind == Token::Kind::quoted || tokens[i + 2].kind == Token::Kind::string)) {
      refuse(what, "it holds a name or string in Unicode escapes, which pg_dump does not write");
    }
    const std::string name = name_of(token);
    const bool bad =
        std::any_of(dangerous.begin(), dangerous.end(), [&](const char* d) { return name == d; }) ||
        std::any_of(dangerous_beginnings.begin(), dangerous_beginnings.end(),
                    [&](const char* d) { return name.starts_with(d); });
    if (bad) refuse(what, "it uses " + name + ", which reaches beyond the database");
  }
}

bool only_computes(const std::vector<Token>& body) {
  if (body.empty() || !(body.front().is("SELECT") || body.front().is("RETURN"))) return false;
  for (std::size_t i = 0; i < body.size(); ++i) {
    const Token& token = body[i];
    if (token.is_sign(';') && i + 1 < body.size()) return false;
    if (token.kind == Token::Kind::dollar || token.kind == Token::Kind::quoted) return false;
    // The sessions that call it may take a backslash for something else than the one that makes it.
    if (token.text.find('\\') != std::string_view::npos) return false;
    if (token.kind != Token::Kind::word) continue;
    if (among(reading_words, token)) return false;
    const bool call = i + 1 < body.size() && body[i + 1].is_sign('(');
    if (call && !among(harmless_calls, token)) return false;
    if (call && i > 0 && body[i - 1].is_sign('.')) return false;  // of some other schema
  }
  return true;
}

std::string with_roles(std::string_view statement, const std::vector<RolePlace>& places,
                       const std::vector<std::string>& replacements) {
  std::string out;
  std::size_t at = 0;
  for (std::size_t i = 0; i < places.size(); ++i) {
    out += statement.substr(at, places[i].offset - at);
    out += replacements[i];
    at = places[i].offset + places[i].length;
  }
  out += statement.substr(at);
  return out;
}

}  // namespace tmb::sql
