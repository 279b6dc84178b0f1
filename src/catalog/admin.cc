// SPDX-License-Identifier: MIT
#include "catalog/admin.hh"

#include <algorithm>
#include <array>

#include "base/error.hh"

namespace tmb::catalog {

using postgres::Connection;
using postgres::Result;

namespace {

constexpr const char* entries = R"(
  SELECT d.oid, d.datname, pg_get_userbyid(d.datdba), (SELECT t.spcname FROM pg_tablespace t WHERE t.oid = d.dattablespace),
         shobj_description(d.oid, 'pg_database'), d.datallowconn, d.datistemplate, d.datconnlimit FROM pg_database d )";

DatabaseEntry entry(const Result& r, int row) {
  DatabaseEntry out;
  out.oid = static_cast<std::uint32_t>(r.integer(row, 0));
  out.name = r.string(row, 1);
  out.owner = r.string(row, 2);
  out.tablespace = r.string(row, 3);
  if (!r.is_null(row, 4)) out.comment = r.string(row, 4);
  out.allows_connections = r.boolean(row, 5);
  out.is_template = r.boolean(row, 6);
  out.connection_limit = r.integer(row, 7);
  return out;
}

std::optional<DatabaseEntry> only_entry(const Result& r) {
  if (r.rows() == 0) return std::nullopt;
  return entry(r, 0);
}

struct Grant {
  std::string grantor;
  std::string grantee;  // empty: PUBLIC
  std::string privilege;
  bool grantable = false;
};

struct Setting {
  std::string role;  // empty: all roles
  std::string name;
  std::string value;
};

// In the order of the list, in which who grants on stands behind who was granted.
std::vector<Grant> read_grants(Connection& c, const std::string& database) {
  const Result r = c.query(R"(
  SELECT pg_get_userbyid(a.grantor), CASE WHEN a.grantee = 0 THEN '' ELSE pg_get_userbyid(a.grantee) END,
         a.privilege_type, a.is_grantable
  FROM pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) WITH ORDINALITY
       AS a(grantor, grantee, privilege_type, is_grantable, position)
  WHERE d.datname = $1 ORDER BY a.position)",
                           {database});
  std::vector<Grant> out;
  for (int row = 0; row < r.rows(); ++row)
    out.push_back({r.string(row, 0), r.string(row, 1), r.string(row, 2), r.boolean(row, 3)});
  return out;
}

std::vector<Setting> read_settings(Connection& c, const std::string& database) {
  const Result r = c.query(R"(
  SELECT CASE WHEN s.setrole = 0 THEN '' ELSE pg_get_userbyid(s.setrole) END,
         split_part(u.line, '=', 1), substr(u.line, strpos(u.line, '=') + 1)
  FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase,
       unnest(s.setconfig) WITH ORDINALITY AS u(line, position)
  WHERE d.datname = $1 ORDER BY s.setrole, u.position)",
                           {database});
  std::vector<Setting> out;
  for (int row = 0; row < r.rows(); ++row)
    out.push_back({r.string(row, 0), r.string(row, 1), r.string(row, 2)});
  return out;
}

// Settings whose stored text is a list of identifiers, each quoted where needed: GUC_LIST_QUOTE in the
// server's guc_tables.c. All others are stored as the one string that was given.
bool is_identifier_list(const std::string& name) {
  constexpr std::array names{"local_preload_libraries",  "search_path",      "session_preload_libraries",
                             "shared_preload_libraries", "temp_tablespaces", "unix_socket_directories"};
  return std::find(names.begin(), names.end(), name) != names.end();
}

// "a, \"b c\"" to 'a', 'b c'
std::string list_literal(const Connection& c, const std::string& value) {
  std::string out;
  std::size_t at = 0;
  while (at < value.size()) {
    while (at < value.size() && (value[at] == ' ' || value[at] == ',')) ++at;
    if (at == value.size()) break;
    std::string item;
    if (value[at] == '"') {
      for (++at; at < value.size(); ++at) {
        if (value[at] == '"') {
          if (at + 1 >= value.size() || value[at + 1] != '"') break;
          ++at;
        }
        item += value[at];
      }
      ++at;
    } else {
      while (at < value.size() && value[at] != ',') item += value[at++];
      while (!item.empty() && item.back() == ' ') item.pop_back();
    }
    out += (out.empty() ? "" : ", ") + c.literal(item);
  }
  return out.empty() ? "''" : out;
}

std::string setting_statement(const Connection& c, const std::string& database, const Setting& s) {
  const std::string target =
      s.role.empty() ? "ALTER DATABASE " + c.identifier(database)
                     : "ALTER ROLE " + c.identifier(s.role) + " IN DATABASE " + c.identifier(database);
  return target + " SET " + c.identifier(s.name) + " TO " +
         (is_identifier_list(s.name) ? list_literal(c, s.value) : c.literal(s.value));
}

std::string role_or_public(const Connection& c, const std::string& role) {
  return role.empty() ? "PUBLIC" : c.identifier(role);
}

std::vector<std::string> grant_lines(Connection& c, const std::string& database) {
  std::vector<std::string> out;
  for (const Grant& g : read_grants(c, database)) {
    out.push_back(g.privilege + " for " + (g.grantee.empty() ? "PUBLIC" : g.grantee) + " by " + g.grantor +
                  (g.grantable ? " with grant option" : ""));
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> setting_lines(Connection& c, const std::string& database) {
  std::vector<std::string> out;
  for (const Setting& s : read_settings(c, database)) out.push_back(s.role + " " + s.name + " = " + s.value);
  std::sort(out.begin(), out.end());
  return out;
}

void copy_grants(Connection& c, const std::string& from, const std::string& to) {
  const std::vector<std::string> wanted = grant_lines(c, from);
  if (wanted == grant_lines(c, to)) return;
  const std::string on = " ON DATABASE " + c.identifier(to) + " ";
  for (const Grant& g : read_grants(c, to)) {
    c.execute("REVOKE ALL" + on + "FROM " + role_or_public(c, g.grantee) + " CASCADE");
  }
  const std::string owner = find_database(c, to)->owner;
  for (const Grant& g : read_grants(c, from)) {
    const bool by_another = g.grantor != owner;
    if (by_another) c.execute("SET LOCAL ROLE " + c.identifier(g.grantor));
    c.execute("GRANT " + g.privilege + on + "TO " + role_or_public(c, g.grantee) +
              (g.grantable && !g.grantee.empty() && g.grantee != owner ? " WITH GRANT OPTION" : ""));
    if (by_another) c.execute("RESET ROLE");
  }
}

void copy_settings(Connection& c, const std::string& from, const std::string& to) {
  if (setting_lines(c, from) == setting_lines(c, to)) return;
  for (const Setting& s : read_settings(c, to)) {
    c.execute((s.role.empty() ? "ALTER DATABASE " : "ALTER ROLE " + c.identifier(s.role) + " IN DATABASE ") +
              c.identifier(to) + " RESET ALL");
  }
  for (const Setting& s : read_settings(c, from)) c.execute(setting_statement(c, to, s));
}

}  // namespace

std::vector<DatabaseEntry> read_databases(Connection& c) {
  const Result r = c.query(std::string(entries) + "ORDER BY d.datname COLLATE \"C\"");
  std::vector<DatabaseEntry> out;
  for (int row = 0; row < r.rows(); ++row) out.push_back(entry(r, row));
  return out;
}

std::optional<DatabaseEntry> find_database(Connection& c, const std::string& name) {
  return only_entry(c.query(std::string(entries) + "WHERE d.datname = $1", {name}));
}

std::optional<DatabaseEntry> find_database(Connection& c, std::uint32_t oid) {
  return only_entry(c.query(std::string(entries) + "WHERE d.oid = $1::oid", {std::to_string(oid)}));
}

std::uint64_t database_bytes(Connection& c, std::uint32_t oid) {
  return static_cast<std::uint64_t>(
      c.query("SELECT pg_database_size($1::oid)", {std::to_string(oid)}).integer(0, 0));
}

void create_database(Connection& c, const std::string& name, const DatabaseFacts& facts,
                     const std::string& tablespace) {
  std::string sql = "CREATE DATABASE " + c.identifier(name) + " TEMPLATE template0 OWNER " +
                    c.identifier(facts.owner) + " ENCODING " + c.literal(facts.encoding) + " LC_COLLATE " +
                    c.literal(facts.collate) + " LC_CTYPE " + c.literal(facts.ctype);
  // Said always where it can be: template0 may have another provider than the wanted one.
  if (c.server_version() >= 150000) {
    if (facts.locale_provider == "i") {
      sql += " LOCALE_PROVIDER icu ICU_LOCALE " + c.literal(facts.locale);
      if (!facts.icu_rules.empty()) sql += " ICU_RULES " + c.literal(facts.icu_rules);
    } else if (facts.locale_provider == "b") {
      sql += " LOCALE_PROVIDER builtin BUILTIN_LOCALE " + c.literal(facts.locale);
    } else {
      sql += " LOCALE_PROVIDER libc";
    }
  }
  // Named only where it is not the template's own: naming even the default one takes a right on it.
  const bool same = c.query(
                         "SELECT FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace "
                         "WHERE d.datname = 'template0' AND t.spcname = $1",
                         {tablespace})
                        .rows() == 1;
  if (!tablespace.empty() && !same) sql += " TABLESPACE " + c.identifier(tablespace);
  c.execute(sql);
}

void drop_database(Connection& c, const std::string& name) {
  c.execute("DROP DATABASE IF EXISTS " + c.identifier(name) + " WITH (FORCE)");
}

void rename_database(Connection& c, const std::string& from, const std::string& to) {
  c.execute("ALTER DATABASE " + c.identifier(from) + " RENAME TO " + c.identifier(to));
}

void set_database_comment(Connection& c, const std::string& name, const std::optional<std::string>& comment) {
  c.execute("COMMENT ON DATABASE " + c.identifier(name) + " IS " + (comment ? c.literal(*comment) : "NULL"));
}

void allow_connections(Connection& c, const std::string& name, bool allow) {
  c.execute("ALTER DATABASE " + c.identifier(name) + " ALLOW_CONNECTIONS " + (allow ? "true" : "false"));
}

void copy_access(Connection& c, const std::string& from, const std::string& to) {
  const DatabaseEntry source = find_database(c, from).value();
  const DatabaseEntry target = find_database(c, to).value();
  if (source.connection_limit != target.connection_limit) {
    c.execute("ALTER DATABASE " + c.identifier(to) + " CONNECTION LIMIT " +
              std::to_string(source.connection_limit));
  }
  if (source.is_template != target.is_template) {
    c.execute("ALTER DATABASE " + c.identifier(to) + " IS_TEMPLATE " +
              (source.is_template ? "true" : "false"));
  }
  copy_settings(c, from, to);
  copy_grants(c, from, to);
}

std::vector<std::string> access_differences(Connection& c, const std::string& from, const std::string& to) {
  const DatabaseEntry a = find_database(c, from).value();
  const DatabaseEntry b = find_database(c, to).value();
  std::vector<std::string> out;
  if (a.owner != b.owner) out.push_back("owner " + a.owner + " and " + b.owner);
  if (a.connection_limit != b.connection_limit) out.emplace_back("connection limit");
  if (a.is_template != b.is_template) out.emplace_back("template flag");
  const auto compare = [&](const std::string& what, const std::vector<std::string>& left,
                           const std::vector<std::string>& right) {
    std::vector<std::string> lines;
    std::set_symmetric_difference(left.begin(), left.end(), right.begin(), right.end(),
                                  std::back_inserter(lines));
    for (const std::string& line : lines) out.push_back(what + line);
  };
  compare("grant: ", grant_lines(c, from), grant_lines(c, to));
  compare("setting: ", setting_lines(c, from), setting_lines(c, to));
  return out;
}

std::vector<SessionEntry> read_sessions(Connection& c, const std::vector<std::uint32_t>& databases) {
  std::string oids = "{";
  for (const std::uint32_t oid : databases) oids += (oids.size() > 1 ? "," : "") + std::to_string(oid);
  const Result r = c.query(R"(
  SELECT a.pid, coalesce(a.usename, ''), coalesce(a.application_name, ''), coalesce(a.client_addr::text, 'local'),
         coalesce(a.state, ''), coalesce(a.backend_type = 'client backend', true)
  FROM pg_stat_activity a WHERE a.datid = ANY ($1::oid[]) AND a.pid <> pg_backend_pid() ORDER BY a.pid)",
                           {oids + "}"});
  std::vector<SessionEntry> out;
  for (int row = 0; row < r.rows(); ++row) {
    out.push_back({static_cast<int>(r.integer(row, 0)), r.string(row, 1), r.string(row, 2), r.string(row, 3),
                   r.string(row, 4), r.boolean(row, 5)});
  }
  return out;
}

void end_sessions(Connection& c, const std::vector<SessionEntry>& sessions) {
  for (const SessionEntry& session : sessions) {
    try {
      c.query("SELECT pg_terminate_backend($1::int4)", {std::to_string(session.pid)});
    } catch (const postgres::DatabaseError& error) {
      if (error.sqlstate() != "42501") throw;  // not ours to end: the caller sees that it stays
    }
  }
}

std::string describe(const SessionEntry& s) {
  return "pid " + std::to_string(s.pid) + " " + base::printable(s.user.empty() ? "(server)" : s.user) + " (" +
         base::printable(s.application.empty() ? "unnamed" : s.application) + ", " + s.client +
         (s.state.empty() ? "" : ", " + s.state) + ")";
}

namespace {
std::vector<std::string> names(const Result& r) {
  std::vector<std::string> out;
  for (int row = 0; row < r.rows(); ++row) out.push_back(r.string(row, 0));
  return out;
}
}  // namespace

std::vector<std::string> read_prepared_transactions(Connection& c, const std::string& database) {
  return names(c.query("SELECT gid FROM pg_prepared_xacts WHERE database = $1 ORDER BY 1", {database}));
}

std::vector<std::string> read_logical_slots(Connection& c, const std::string& database) {
  return names(
      c.query("SELECT slot_name FROM pg_replication_slots WHERE database = $1 ORDER BY 1", {database}));
}

Rights read_rights(Connection& c) {
  const Result r =
      c.query("SELECT rolname, rolsuper, rolcreatedb FROM pg_roles WHERE rolname = current_user");
  return {r.string(0, 0), r.boolean(0, 1), r.boolean(0, 1) || r.boolean(0, 2)};
}

bool is_member_of(Connection& c, const std::string& role) {
  return c
      .query(
          "SELECT coalesce((SELECT pg_has_role(r.oid, 'MEMBER') FROM pg_roles r WHERE r.rolname = $1), "
          "false)",
          {role})
      .boolean(0, 0);
}

bool is_in_recovery(Connection& c) { return c.query("SELECT pg_is_in_recovery()").boolean(0, 0); }

std::vector<std::string> missing_roles(Connection& c, const std::vector<std::string>& wanted) {
  std::vector<std::string> out;
  for (const std::string& role : wanted) {
    if (c.query("SELECT FROM pg_roles WHERE rolname = $1", {role}).rows() == 0) out.push_back(role);
  }
  return out;
}

bool encoding_exists(Connection& c, const std::string& encoding) {
  return c.query("SELECT pg_char_to_encoding($1) >= 0", {encoding}).boolean(0, 0);
}

ExtensionOffer read_extension_offer(Connection& c, const std::string& name) {
  const Result r = c.query(R"(
  SELECT e.default_version, v.trusted, v.superuser FROM pg_available_extensions e
  LEFT JOIN pg_available_extension_versions v ON v.name = e.name AND v.version = e.default_version
  WHERE e.name = $1)",
                           {name});
  if (r.rows() == 0) return {name, "", false, true};
  return {name, r.string(0, 0), r.boolean(0, 1), r.boolean(0, 2)};
}

std::string data_directory(Connection& c) {
  const Result r = c.query("SELECT setting FROM pg_settings WHERE name = 'data_directory'");
  return r.rows() == 0 ? "" : r.string(0, 0);
}

bool try_session_lock(Connection& c, std::uint32_t kind, std::uint32_t key) {
  // The server's keys are signed.
  return c
      .query(
          "SELECT pg_try_advisory_lock($1::int4, $2::int4)",
          {std::to_string(static_cast<std::int32_t>(kind)), std::to_string(static_cast<std::int32_t>(key))})
      .boolean(0, 0);
}

}  // namespace tmb::catalog
