// SPDX-License-Identifier: MIT
#include "catalog/reader.hh"

#include "base/error.hh"

namespace tmb::catalog {

using postgres::Connection;
using postgres::Result;

namespace {

// search_path is empty in every session, so an unqualified name means pg_catalog and nothing else.

// Relations that users made: neither the system's, nor temporary, nor an extension's.
constexpr const char* user_relations = R"(
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND c.relpersistence <> 't'
    AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e'))";

// Each table's signature: NULL as soon as one column's type may print something that its stored bytes and the
// facts listed here do not determine.
constexpr const char* signatures = R"(
  WITH RECURSIVE parts(root, typ) AS (
    SELECT DISTINCT a.atttypid, a.atttypid FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
    UNION
    SELECT p.root, inner_type.typ FROM parts p JOIN pg_type t ON t.oid = p.typ
    CROSS JOIN LATERAL (
      SELECT t.typelem AS typ WHERE t.typelem <> 0 AND t.typcategory = 'A'
      UNION ALL SELECT t.typbasetype WHERE t.typtype = 'd'
      UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE r.rngtypid = t.oid OR r.rngmultitypid = t.oid
    ) inner_type
  ), types AS (
    SELECT p.root,
      bool_and(t.typtype IN ('e', 'd', 'r', 'm') OR (t.typelem <> 0 AND t.typcategory = 'A')
               OR (t.typtype = 'b' AND t.oid < 16384 AND t.typname !~ '^reg' AND t.typname <> 'aclitem')) AS stable,
      string_agg((SELECT string_agg(quote_literal(l.enumlabel), ',' ORDER BY l.oid)
                  FROM pg_enum l WHERE l.enumtypid = t.oid), ';' ORDER BY t.oid) AS labels
    FROM parts p JOIN pg_type t ON t.oid = p.typ GROUP BY p.root
  )
  SELECT a.attrelid AS table_oid, bool_and(ty.stable) AS stable,
    string_agg(concat_ws(':', a.attnum, quote_ident(a.attname), a.atttypid, a.atttypmod, a.attgenerated,
                         quote_nullable(a.attmissingval::text), ty.labels), '|' ORDER BY a.attnum) AS columns
  FROM pg_attribute a JOIN types ty ON ty.root = a.atttypid
  WHERE a.attnum > 0 AND NOT a.attisdropped GROUP BY a.attrelid)";

std::vector<std::string> first_column(const Result& result) {
  std::vector<std::string> out;
  for (int row = 0; row < result.rows(); ++row) out.push_back(result.string(row, 0));
  return out;
}

std::string page_condition(std::uint64_t first_page, std::optional<std::uint64_t> end_page) {
  std::string sql = " WHERE ctid >= '(" + std::to_string(first_page) + ",0)'::pg_catalog.tid";
  if (end_page) sql += " AND ctid < '(" + std::to_string(*end_page) + ",0)'::pg_catalog.tid";
  return sql;
}

std::uint64_t unsigned_integer(const Result& result, int row, int column) {
  return static_cast<std::uint64_t>(result.integer(row, column));
}

}  // namespace

std::string qualified(const Connection& connection, const std::string& schema, const std::string& name) {
  return connection.identifier(schema) + "." + connection.identifier(name);
}

std::vector<Table> read_tables(Connection& connection) {
  const Result tables = connection.query(std::string("WITH signatures AS (") + signatures + R"()
  SELECT c.oid, n.nspname, c.relname, pg_relation_size(c.oid) / current_setting('block_size')::int8,
         c.relpersistence = 'u',
         CASE WHEN s.table_oid IS NULL OR s.stable
              THEN concat_ws('/', c.oid, pg_relation_filenode(c.oid), c.reltablespace, s.columns) END
  FROM (SELECT c.oid )" + user_relations +
                                         R"( AND c.relkind = 'r') u
  JOIN pg_class c ON c.oid = u.oid JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN signatures s ON s.table_oid = c.oid
  ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C")");
  const Result columns = connection.query(std::string(R"(
  SELECT a.attrelid, a.attname FROM pg_attribute a
  WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    AND a.attrelid IN (SELECT c.oid )") + user_relations +
                                          R"( AND c.relkind = 'r')
  ORDER BY a.attrelid, a.attnum)");

  std::vector<Table> out;
  for (int row = 0; row < tables.rows(); ++row) {
    Table table;
    table.oid = static_cast<std::uint32_t>(tables.integer(row, 0));
    table.schema = tables.string(row, 1);
    table.name = tables.string(row, 2);
    table.pages = unsigned_integer(tables, row, 3);
    table.unlogged = tables.boolean(row, 4);
    table.signature = tables.string(row, 5);
    // After a crash an unlogged table starts empty again, with transactions that left no trace in the log.
    if (table.unlogged) table.signature.clear();
    out.push_back(std::move(table));
  }
  for (int row = 0; row < columns.rows(); ++row) {
    const auto oid = static_cast<std::uint32_t>(columns.integer(row, 0));
    for (Table& table : out) {
      if (table.oid == oid) table.columns.push_back(columns.string(row, 1));
    }
  }
  return out;
}

std::vector<Sequence> read_sequences(Connection& connection) {
  const Result names =
      connection.query(std::string("SELECT n.nspname, c.relname ") + user_relations +
                       R"( AND c.relkind = 'S' ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C")");
  std::vector<Sequence> out;
  std::string sql;
  for (int row = 0; row < names.rows(); ++row) {
    out.push_back({names.string(row, 0), names.string(row, 1), "", false});
    sql += std::string(sql.empty() ? "" : " UNION ALL ") + "SELECT " + std::to_string(row) +
           ", last_value, is_called FROM " + qualified(connection, out.back().schema, out.back().name);
  }
  if (out.empty()) return out;
  const Result values = connection.query(sql);
  for (int row = 0; row < values.rows(); ++row) {
    Sequence& sequence = out.at(static_cast<std::size_t>(values.integer(row, 0)));
    sequence.last_value = values.string(row, 1);
    sequence.is_called = values.boolean(row, 2);
  }
  return out;
}

std::vector<Extension> read_extensions(Connection& connection) {
  const Result rows = connection.query(
      "SELECT e.extname, e.extversion, n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = "
      "e.extnamespace "
      "WHERE e.extname <> 'plpgsql' ORDER BY e.extname COLLATE \"C\"");
  std::vector<Extension> out;
  for (int row = 0; row < rows.rows(); ++row)
    out.push_back({rows.string(row, 0), rows.string(row, 1), rows.string(row, 2)});
  return out;
}

std::vector<Obstacle> read_obstacles(Connection& connection) {
  std::string sql;
  const auto add = [&](const std::string& part, bool carried_by_pg_dump = false) {
    sql += std::string(sql.empty() ? "" : " UNION ALL ") + "SELECT o.*, " +
           (carried_by_pg_dump ? "true" : "false") + " FROM (" + part + ") o(object, why)";
  };
  const std::string relations = user_relations;
  add("SELECT count(*)::text || ' large objects', 'they are in no table' FROM "
      "pg_largeobject_metadata "
      "HAVING count(*) > 0",
      true);
  add("SELECT format('foreign table %I.%I', n.nspname, c.relname), 'its rows are on another server'" +
          relations + " AND c.relkind = 'f'",
      true);
  add("SELECT format('table %I.%I', n.nspname, c.relname), "
      "'it uses the table access method ' || quote_ident(m.amname) || ', not heap' "
      "FROM (SELECT c.oid" +
          relations +
          " AND c.relkind = 'r') u JOIN pg_class c ON c.oid = u.oid "
          "JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am m ON m.oid = c.relam WHERE m.amname <> "
          "'heap'",
      true);
  // An extension that names its tables with rows of users (extconfig) is dumped as it wants to be. Of one
  // that does not, pg_dump would leave the rows out without a word.
  add("SELECT format('extension %I', e.extname), 'it keeps rows in tables of its own, which no chunk holds' "
      "FROM pg_extension e WHERE e.extconfig IS NOT NULL",
      true);
  add("SELECT format('extension %I', e.extname), 'it keeps rows in tables of its own, which are not dumped' "
      "FROM pg_extension e WHERE e.extconfig IS NULL AND EXISTS (SELECT FROM pg_depend d JOIN pg_class c ON "
      "c.oid = d.objid WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e' AND d.refobjid = e.oid AND "
      "d.refclassid = 'pg_extension'::regclass AND c.relkind IN ('r', 'p', 'm', 'f'))");
  add("SELECT format('subscription %I', s.subname), 'a copy of it would take changes from the publisher' "
      "FROM pg_subscription s WHERE s.subdbid = (SELECT d.oid FROM pg_database d WHERE d.datname = "
      "current_database())");
  add("SELECT format('table %I.%I', n.nspname, c.relname), 'the role ' || quote_ident(current_user) || "
      "' may not read it'" +
      relations +
      " AND c.relkind IN ('r', 'm') AND (NOT has_table_privilege(c.oid, 'SELECT') "
      "OR NOT has_schema_privilege(n.oid, 'USAGE'))");
  add("SELECT format('sequence %I.%I', n.nspname, c.relname), 'the role ' || quote_ident(current_user) || "
      "' may not read it'" +
      relations +
      " AND c.relkind = 'S' AND (NOT has_sequence_privilege(c.oid, 'SELECT') "
      "OR NOT has_schema_privilege(n.oid, 'USAGE'))");
  add("SELECT format('table %I.%I', n.nspname, c.relname), 'row level security hides rows of it from the "
      "role ' || "
      "quote_ident(current_user)" +
      relations +
      " AND c.relkind = 'r' AND c.relrowsecurity AND NOT (SELECT r.rolsuper OR r.rolbypassrls FROM pg_roles "
      "r "
      "WHERE r.rolname = current_user) AND (c.relforcerowsecurity OR NOT pg_has_role(c.relowner, 'USAGE'))");
  const Result rows = connection.query(sql);
  std::vector<Obstacle> out;
  for (int row = 0; row < rows.rows(); ++row)
    out.push_back({rows.string(row, 0), rows.string(row, 1), rows.boolean(row, 2)});
  return out;
}

DatabaseFacts read_database(Connection& connection) {
  // to_jsonb: the locale columns have other names in each major version.
  const Result r = connection.query(R"(
  SELECT d.oid, d.datname, pg_get_userbyid(d.datdba), pg_encoding_to_char(d.encoding), d.datcollate, d.datctype,
         coalesce(to_jsonb(d)->>'datlocprovider', 'c'),
         coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale', ''),
         coalesce(to_jsonb(d)->>'daticurules', '')
  FROM pg_database d WHERE d.datname = current_database())");
  return {static_cast<std::uint32_t>(r.integer(0, 0)),
          r.string(0, 1),
          r.string(0, 2),
          r.string(0, 3),
          r.string(0, 4),
          r.string(0, 5),
          r.string(0, 6),
          r.string(0, 7),
          r.string(0, 8)};
}

ServerFacts read_server(Connection& connection) {
  const Result r = connection.query(R"(
  SELECT current_setting('server_version'), (SELECT system_identifier FROM pg_control_system()),
         (SELECT timeline_id FROM pg_control_checkpoint()),
         concat_ws(' ', pg_postmaster_start_time(), (SELECT stats_reset FROM pg_stat_wal)),
         pg_snapshot_xmin(pg_current_snapshot())::text, pg_snapshot_xmax(pg_current_snapshot())::text,
         pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                              ELSE pg_current_wal_insert_lsn() END, '0/0')::int8,
         current_setting('block_size'))");
  return {r.string(0, 0),
          connection.server_version(),
          r.string(0, 1),
          r.string(0, 2),
          r.string(0, 3),
          unsigned_integer(r, 0, 4),
          unsigned_integer(r, 0, 5),
          unsigned_integer(r, 0, 6),
          static_cast<std::uint32_t>(r.integer(0, 7))};
}

std::string read_current_role(Connection& connection) {
  return connection.query("SELECT current_user").string(0, 0);
}

std::vector<std::string> read_roles(Connection& connection) {
  // pg_shdepend does not record the bootstrap superuser, so owners are read as well.
  return first_column(connection.query(R"(
  SELECT rolname FROM (
    SELECT r.rolname FROM pg_shdepend s JOIN pg_roles r ON r.oid = s.refobjid
    WHERE s.refclassid = 'pg_authid'::regclass
      AND s.dbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
    UNION SELECT pg_get_userbyid(c.relowner) )" +
                                       std::string(user_relations) + R"(
    UNION SELECT pg_get_userbyid(p.proowner) FROM pg_proc p WHERE p.oid >= 16384
    UNION SELECT pg_get_userbyid(n.nspowner) FROM pg_namespace n WHERE n.oid >= 16384
    UNION SELECT pg_get_userbyid(d.datdba) FROM pg_database d WHERE d.datname = current_database()
  ) roles WHERE rolname !~ '^pg_' ORDER BY rolname COLLATE "C")"));
}

std::vector<std::string> read_materialized_views(Connection& connection) {
  // A view that reads another one also reads, directly or not, everything that one reads: so the number of
  // materialised views below it is a valid order.
  const Result rows = connection.query(std::string(R"(
  WITH RECURSIVE reads(reader, relation) AS (
    SELECT r.ev_class, d.refobjid FROM pg_rewrite r
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
                    AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class
  ), below(reader, relation) AS (
    SELECT reader, relation FROM reads
    UNION SELECT b.reader, r.relation FROM below b JOIN reads r ON r.reader = b.relation
  )
  SELECT n.nspname, c.relname, (SELECT count(*) FROM below b JOIN pg_class m ON m.oid = b.relation AND m.relkind = 'm'
                                WHERE b.reader = c.oid) AS depth)") +
                                       user_relations + R"(
    AND c.relkind = 'm' AND c.relispopulated ORDER BY depth, n.nspname COLLATE "C", c.relname COLLATE "C")");
  std::vector<std::string> out;
  for (int row = 0; row < rows.rows(); ++row)
    out.push_back(qualified(connection, rows.string(row, 0), rows.string(row, 1)));
  return out;
}

std::string read_migration_version(Connection& connection) {
  const Result there = connection.query(
      "SELECT FROM pg_attribute a WHERE a.attrelid = to_regclass('public.schema_migrations') AND a.attname = "
      "'version' "
      "AND a.atttypid = 'int8'::regtype");
  if (there.rows() == 0) return "";
  return connection.query("SELECT max(version) FROM public.schema_migrations").string(0, 0);
}

std::string read_catalog_fingerprint(Connection& connection) {
  const Result catalogs = connection.query(R"(
  SELECT c.relname FROM pg_class c
  WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r' AND has_table_privilege(c.oid, 'SELECT')
    AND c.relname NOT IN ('pg_statistic', 'pg_statistic_ext_data', 'pg_largeobject', 'pg_largeobject_metadata',
                          'pg_authid', 'pg_auth_members', 'pg_database', 'pg_replication_origin',
                          'pg_subscription_rel', 'pg_tablespace', 'pg_shdescription', 'pg_parameter_acl')
  ORDER BY c.relname)");
  // Columns that VACUUM and ANALYZE change are changed in place: ctid and xmin stay. textsend: the bytes as
  // they are, for a role's name may be no text in this database's encoding.
  std::string sql;
  for (const std::string& name : first_column(catalogs)) {
    sql += std::string(sql.empty() ? "" : " UNION ALL ") + "SELECT " + connection.literal(name) +
           "::text AS name, count(*) AS n, bit_xor(hashtidextended(ctid, xmin::text::int8)) AS h FROM " +
           connection.identifier(name);
  }
  return connection
      .query(
          "SELECT encode(sha256(textsend(string_agg(concat_ws(':', name, n, h), ',' ORDER BY name COLLATE "
          "\"C\") || (SELECT string_agg(concat_ws(':', r.oid, quote_ident(r.rolname)), ',' ORDER BY r.oid) "
          "FROM pg_roles r))), 'hex') FROM (" +
          sql + ") c")
      .string(0, 0);
}

std::string read_names_fingerprint(Connection& connection) {
  return connection
      .query(R"(
  SELECT concat_ws(':', count(*), bit_xor(hashtextextended(line, 0))) FROM (
    SELECT concat_ws(' ', 'schema', n.oid, n.xmin) AS line FROM pg_namespace n WHERE n.nspname !~ '^pg_(toast_)?temp_'
    UNION ALL SELECT concat_ws(' ', 'label', e.oid, e.xmin) FROM pg_enum e
    UNION ALL SELECT concat_ws(' ', 'type', t.oid, t.xmin) FROM pg_type t
              WHERE t.oid >= 16384 AND t.typtype <> 'c' AND t.typcategory <> 'A'
    UNION ALL SELECT concat_ws(' ', 'function', p.oid, p.xmin) FROM pg_proc p WHERE p.oid >= 16384
    UNION ALL SELECT concat_ws(' ', 'rule', r.oid, r.xmin) FROM pg_rewrite r WHERE r.ev_class >= 16384
    UNION ALL SELECT concat_ws(' ', 'relation', c.oid, c.relnamespace, c.relname) FROM pg_class c
              WHERE c.oid >= 16384 AND c.relkind IN ('v', 'm', 'c', 'S') AND c.relpersistence <> 't'
    UNION ALL SELECT concat_ws(' ', 'attribute', a.attrelid, a.attnum, a.xmin) FROM pg_attribute a
              JOIN pg_class c ON c.oid = a.attrelid WHERE c.oid >= 16384 AND c.relkind = 'c') lines)")
      .string(0, 0);
}

std::int64_t read_age(Connection& connection, std::uint64_t transaction) {
  return connection.query("SELECT age($1::xid)", {std::to_string(transaction & UINT32_MAX)}).integer(0, 0);
}

PageRows count_rows(Connection& connection, const std::string& table, std::uint64_t first_page,
                    std::optional<std::uint64_t> end_page, std::int64_t age) {
  const Result r =
      connection.query("SELECT count(*), count(*) FILTER (WHERE age(xmin) <= " + std::to_string(age) +
                       ") FROM ONLY " + table + page_condition(first_page, end_page));
  return {unsigned_integer(r, 0, 0), unsigned_integer(r, 0, 1)};
}

std::string copy_out_statement(const Connection& connection, const Table& table, std::uint64_t first_page,
                               std::optional<std::uint64_t> end_page, std::optional<std::int64_t> age,
                               Written written) {
  const char* compared = written == Written::since ? " AND age(xmin) <= " : " AND age(xmin) > ";
  std::string columns;
  for (const std::string& column : table.columns) {
    columns += (columns.empty() ? "" : ", ") + connection.identifier(column);
  }
  return "COPY (SELECT " + columns + " FROM ONLY " + qualified(connection, table.schema, table.name) +
         page_condition(first_page, end_page) + (age ? compared + std::to_string(*age) : "") + ") TO STDOUT";
}

void limit_lock_waits(Connection& connection, int timeout_ms) {
  connection.execute("SET lock_timeout = " + std::to_string(timeout_ms));
}

void lock_tables(Connection& connection, const std::vector<Table>& tables) {
  if (tables.empty()) return;
  std::string names;
  for (const Table& table : tables) {
    names += (names.empty() ? "ONLY " : ", ONLY ") + qualified(connection, table.schema, table.name);
  }
  connection.execute("LOCK TABLE " + names + " IN ACCESS SHARE MODE");
}

std::string describe_blockers(Connection& connection) {
  const Result rows = connection.query(R"(
  SELECT DISTINCT l.pid, coalesce(nullif(left(a.query, 120), ''), a.state, 'prepared transaction'), l.relation::regclass::text
  FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
  WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.pid IS DISTINCT FROM pg_backend_pid()
    AND l.relation >= 16384
    AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))");
  std::string out;
  for (int row = 0; row < rows.rows(); ++row) {
    out += (out.empty() ? "pid " : ", pid ") + rows.string(row, 0) + " on " +
           base::printable(rows.text(row, 2)) + " (" + base::printable(rows.text(row, 1)) + ")";
  }
  return out;
}

std::string export_snapshot(Connection& connection) {
  return connection.query("SELECT pg_export_snapshot()").string(0, 0);
}

void import_snapshot(Connection& connection, const std::string& snapshot) {
  connection.execute("SET TRANSACTION SNAPSHOT " + connection.literal(snapshot));
}

}  // namespace tmb::catalog
