// SPDX-License-Identifier: MIT
#include "catalog/health.hh"

#include "base/error.hh"
#include "catalog/reader.hh"

namespace tmb::catalog {

using postgres::Connection;
using postgres::Result;

namespace {

std::vector<std::string> first_column(const Result& result) {
  std::vector<std::string> out;
  for (int row = 0; row < result.rows(); ++row) out.push_back(result.string(row, 0));
  return out;
}

// ARRAY['a', 'b']::text[]
std::string text_array(const Connection& connection, const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : ", ") + connection.literal(text);
  return "ARRAY[" + out + "]::text[]";
}

// The OIDs of those of the tables that are there.
std::string table_oids(const Connection& connection, const std::vector<Relation>& tables) {
  std::vector<std::string> names;
  names.reserve(tables.size());
  for (const Relation& table : tables) names.push_back(qualified(connection, table));
  return "(SELECT to_regclass(w.name)::oid FROM unnest(" + text_array(connection, names) +
         ") w(name) WHERE to_regclass(w.name) IS NOT NULL)";
}

std::uint64_t unsigned_integer(const Result& result, int row, int column) {
  return static_cast<std::uint64_t>(result.integer(row, column));
}

}  // namespace

std::vector<SequenceBehind> read_sequences_behind(Connection& connection) {
  const Result pairs = connection.query(R"(
  SELECT DISTINCT sn.nspname, s.relname, tn.nspname, t.relname, a.attname
  FROM pg_attrdef f JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
  JOIN pg_type y ON y.oid = a.atttypid AND y.typname IN ('int2', 'int4', 'int8')
  JOIN pg_class t ON t.oid = f.adrelid AND t.relkind = 'r' AND t.relpersistence <> 't'
  JOIN pg_namespace tn ON tn.oid = t.relnamespace
  JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass
  JOIN pg_class s ON s.oid = d.refobjid AND s.relkind = 'S' JOIN pg_namespace sn ON sn.oid = s.relnamespace
  WHERE EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indisprimary AND a.attnum = ANY (i.indkey))
  ORDER BY 1, 2)");
  std::vector<SequenceBehind> out;
  for (int row = 0; row < pairs.rows(); ++row) {
    SequenceBehind one{{pairs.string(row, 0), pairs.string(row, 1)},
                       {pairs.string(row, 2), pairs.string(row, 3)},
                       pairs.string(row, 4),
                       0,
                       0};
    const Result r = connection.query(
        "SELECT s.last_value + CASE WHEN s.is_called THEN 1 ELSE 0 END, coalesce(m.largest, 0) FROM " +
        qualified(connection, one.sequence) + " s, (SELECT max(" + connection.identifier(one.column) +
        ")::int8 AS largest FROM " + qualified(connection, one.table) + ") m");
    one.next = r.integer(0, 0);
    one.largest = r.integer(0, 1);
    if (one.next <= one.largest) out.push_back(std::move(one));
  }
  return out;
}

std::vector<ExtensionState> read_extension_states(Connection& connection,
                                                  const std::vector<std::string>& names) {
  const Result rows = connection.query(
      "SELECT w.name, coalesce(e.extversion, ''), coalesce(o.default_version, '') FROM unnest(" +
      text_array(connection, names) +
      ") w(name) LEFT JOIN pg_extension e ON e.extname = w.name "
      "LEFT JOIN pg_available_extensions o ON o.name = w.name ORDER BY 1");
  std::vector<ExtensionState> out;
  for (int row = 0; row < rows.rows(); ++row)
    out.push_back({rows.string(row, 0), rows.string(row, 1), rows.string(row, 2)});
  return out;
}

std::vector<std::string> missing_functions(Connection& connection, const std::vector<std::string>& names) {
  return first_column(connection.query(
      "SELECT w.name FROM unnest(" + text_array(connection, names) +
      ") w(name) WHERE NOT EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
      "WHERE p.proname = w.name AND n.nspname = 'public') ORDER BY 1"));
}

std::vector<std::string> read_dependents(Connection& connection, const std::vector<Relation>& tables) {
  const std::string ours = table_oids(connection, tables);
  return first_column(connection.query(R"(
  SELECT DISTINCT CASE v.relkind WHEN 'm' THEN 'materialised view ' ELSE 'view ' END || v.oid::regclass::text ||
         ' on ' || d.refobjid::regclass::text
  FROM pg_rewrite r JOIN pg_class v ON v.oid = r.ev_class AND v.relkind IN ('v', 'm')
  JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
  WHERE d.refobjid IN )" + ours + R"(
  UNION SELECT 'rule ' || quote_ident(r.rulename) || ' on ' || r.ev_class::regclass::text FROM pg_rewrite r
        JOIN pg_class c ON c.oid = r.ev_class AND c.relkind = 'r' WHERE r.ev_class IN )" +
                                       ours + R"(
  UNION SELECT 'trigger ' || quote_ident(t.tgname) || ' on ' || t.tgrelid::regclass::text FROM pg_trigger t
        WHERE NOT t.tgisinternal AND t.tgrelid IN )" +
                                       ours + R"(
  UNION SELECT 'foreign key ' || quote_ident(k.conname) || ' of ' || k.conrelid::regclass::text || ' to ' ||
               k.confrelid::regclass::text FROM pg_constraint k
        WHERE k.contype = 'f' AND k.confrelid IN )" +
                                       ours + " AND NOT k.conrelid IN " + ours + " ORDER BY 1"));
}

std::vector<std::string> read_other_owners(Connection& connection, const std::vector<Relation>& tables,
                                           const Relation& like) {
  return first_column(
      connection.query("SELECT c.oid::regclass::text || ' belongs to ' || "
                       "quote_ident(pg_get_userbyid(c.relowner)) || ', not to ' "
                       "|| quote_ident(pg_get_userbyid(l.relowner)) FROM pg_class c, pg_class l WHERE l.oid "
                       "= to_regclass($1) AND "
                       "c.relowner <> l.relowner AND c.oid IN " +
                           table_oids(connection, tables) + " ORDER BY 1",
                       {qualified(connection, like)}));
}

std::vector<IndexState> read_bloated_indexes(Connection& connection, std::uint64_t least) {
  // A fresh leaf page is filled to nine tenths; each entry has 8 bytes of head, its key aligned to 8 and 4
  // bytes of pointer. Equal keys take less since version 13, so the estimate is too large rather than too
  // small.
  const Result rows = connection.query(R"(
  SELECT n.nspname, x.relname, n.nspname, t.relname, pg_relation_size(x.oid),
         CASE WHEN bool_and(st.avg_width IS NOT NULL) AND max(greatest(x.reltuples, t.reltuples)) > 0
              THEN (1 + ceil(max(CASE WHEN i.indpred IS NULL THEN greatest(x.reltuples, t.reltuples)
                                      ELSE x.reltuples END) * (12 + ((sum(st.avg_width)::int8 + 7) / 8) * 8)
                   / (0.9 * (current_setting('block_size')::int8 - 40))))::int8 * current_setting('block_size')::int8
              ELSE 0 END,
         i.indisvalid
  FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid AND x.relkind = 'i'
  JOIN pg_am m ON m.oid = x.relam JOIN pg_class t ON t.oid = i.indrelid AND t.relkind = 'r'
  JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  JOIN pg_attribute a ON a.attrelid = x.oid
  LEFT JOIN pg_attribute ta ON ta.attrelid = t.oid AND ta.attnum = i.indkey[a.attnum - 1] AND ta.attnum > 0
  LEFT JOIN pg_stats st ON st.schemaname = n.nspname
    AND ((st.tablename = t.relname AND st.attname = ta.attname)
         OR (ta.attnum IS NULL AND st.tablename = x.relname AND st.attname = a.attname))
  WHERE t.relpersistence <> 't' AND (m.amname = 'btree' OR NOT i.indisvalid)
  GROUP BY n.nspname, x.relname, t.relname, x.oid, i.indisvalid, i.indexrelid ORDER BY 1, 2)");
  std::vector<IndexState> out;
  for (int row = 0; row < rows.rows(); ++row) {
    IndexState one{{rows.string(row, 0), rows.string(row, 1)},
                   {rows.string(row, 2), rows.string(row, 3)},
                   unsigned_integer(rows, row, 4),
                   unsigned_integer(rows, row, 5),
                   rows.boolean(row, 6)};
    const bool bloated = one.expected_bytes > 0 && one.bytes > 2 * one.expected_bytes &&
                         one.bytes - one.expected_bytes >= least;
    if (bloated || !one.valid) out.push_back(std::move(one));
  }
  return out;
}

void reindex(Connection& connection, const Relation& index) {
  connection.execute("REINDEX INDEX CONCURRENTLY " + qualified(connection, index));
}

std::uint64_t relation_bytes(Connection& connection, const Relation& relation) {
  return unsigned_integer(connection.query("SELECT coalesce(pg_relation_size(to_regclass($1)), 0)",
                                           {qualified(connection, relation)}),
                          0, 0);
}

BuildProgress read_build_progress(Connection& connection, int pid) {
  const Result r = connection.query(
      "SELECT greatest(blocks_done, tuples_done), greatest(blocks_total, tuples_total) FROM "
      "pg_stat_progress_create_index WHERE pid = $1::int4",
      {std::to_string(pid)});
  if (r.rows() == 0) return {};
  return {unsigned_integer(r, 0, 0), unsigned_integer(r, 0, 1)};
}

std::vector<std::string> drop_cut_off_rebuilds(Connection& connection) {
  const Result rows = connection.query(R"(
  SELECT n.nspname, x.relname FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
  JOIN pg_namespace n ON n.oid = x.relnamespace
  WHERE NOT i.indisvalid AND x.relname ~ '_cc(new|old)[0-9]*$' AND n.nspname NOT IN ('pg_catalog', 'pg_toast')
    AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.relid = i.indrelid))");
  std::vector<std::string> out;
  for (int row = 0; row < rows.rows(); ++row) {
    out.push_back(qualified(connection, rows.string(row, 0), rows.string(row, 1)));
  }
  for (const std::string& name : out) connection.execute("DROP INDEX CONCURRENTLY IF EXISTS " + name);
  return out;
}

}  // namespace tmb::catalog
