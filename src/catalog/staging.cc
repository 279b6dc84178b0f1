// SPDX-License-Identifier: MIT
#include "catalog/staging.hh"

#include <functional>
#include <map>
#include <optional>

#include "base/error.hh"
#include "catalog/reader.hh"

namespace tmb::catalog {

using postgres::Connection;
using postgres::Result;

namespace {

constexpr const char* not_of_the_system =
    "n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') ";

std::vector<std::string> first_column(const Result& r) {
  std::vector<std::string> out;
  for (int row = 0; row < r.rows(); ++row) out.push_back(r.string(row, 0));
  return out;
}

}  // namespace

void prepare_for_loading(Connection& c) {
  // A crash loses the staging database, not data: nothing needs to wait for the disk until the swap.
  c.execute("SET synchronous_commit = off");
}

void prepare_for_indexing(Connection& c, std::uint64_t memory_mb) {
  c.execute(
      "SET synchronous_commit = off; SET max_parallel_maintenance_workers = 0; SET maintenance_work_mem = '" +
      std::to_string(memory_mb) + "MB'");
}

void silence_triggers(Connection& c) {
  try {
    c.execute("SET session_replication_role = replica");
  } catch (const postgres::DatabaseError& error) {
    if (error.sqlstate() != "42501") throw;
  }
}

std::string copy_in_statement(const Connection& c, const std::string& schema, const std::string& name,
                              const std::vector<std::string>& columns, CopyFormat format) {
  std::string list;
  for (const std::string& column : columns) list += (list.empty() ? "" : ", ") + c.identifier(column);
  return "COPY " + qualified(c, schema, name) + (list.empty() ? "" : " (" + list + ")") + " FROM STDIN" +
         (format == CopyFormat::binary ? " (FORMAT binary)" : "");
}

std::vector<postgres::Wire> read_wires(Connection& c, const std::string& schema, const std::string& name,
                                       const std::vector<std::string>& columns) {
  const Result r = c.query(
      "SELECT a.attname, t.oid, t.typtype FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
      "WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped",
      {qualified(c, schema, name)});
  std::map<std::string, std::optional<postgres::Wire>, std::less<>> known;
  for (int row = 0; row < r.rows(); ++row) {
    known[r.string(row, 0)] =
        postgres::wire_of(static_cast<std::uint32_t>(r.integer(row, 1)), r.text(row, 2).front());
  }
  std::vector<postgres::Wire> out;
  for (const std::string& column : columns) {
    const auto found = known.find(column);
    if (found == known.end() || !found->second) return {};
    out.push_back(*found->second);
  }
  return out;
}

void set_sequence(Connection& c, const Sequence& s) {
  c.query("SELECT setval($1::regclass, $2::int8, $3::bool)",
          {qualified(c, s.schema, s.name), s.last_value, s.is_called ? "true" : "false"});
}

void refresh_materialized_view(Connection& c, const std::string& quoted_name) {
  c.query("REFRESH MATERIALIZED VIEW " + quoted_name);  // one statement, whatever the name says
}

void analyze_table(Connection& c, const std::string& schema, const std::string& name) {
  c.execute("ANALYZE " + qualified(c, schema, name));
}

std::uint64_t count_rows(Connection& c, const std::string& schema, const std::string& name) {
  return static_cast<std::uint64_t>(
      c.query("SELECT count(*) FROM ONLY " + qualified(c, schema, name)).integer(0, 0));
}

ObjectCounts read_object_counts(Connection& c) {
  const Result r = c.query(
      std::string("SELECT (SELECT count(*) FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid "
                  "JOIN pg_namespace n ON n.oid = t.relnamespace WHERE ") +
      not_of_the_system +
      "), (SELECT count(*) FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace WHERE " +
      not_of_the_system + "AND k.contype <> 'n')");
  return {static_cast<std::uint64_t>(r.integer(0, 0)), static_cast<std::uint64_t>(r.integer(0, 1))};
}

std::vector<std::string> read_invalid_indexes(Connection& c) {
  return first_column(
      c.query("SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid "
              "AND x.relkind = 'i' "
              "WHERE NOT (i.indisvalid AND i.indisready AND i.indislive) ORDER BY 1"));
}

std::vector<std::string> read_unvalidated_constraints(Connection& c) {
  return first_column(c.query(
      "SELECT format('%I on %s', k.conname, CASE WHEN k.conrelid <> 0 THEN k.conrelid::regclass::text ELSE "
      "k.contypid::regtype::text END) FROM pg_constraint k WHERE NOT k.convalidated ORDER BY 1"));
}

void try_earthdistance(Connection& c, const std::string& schema) {
  // The function's own text names what it calls without a schema, as the extension wrote it.
  c.execute("SET search_path = " + c.identifier(schema) + ", pg_catalog");
  c.query("SELECT " + c.identifier(schema) + ".ll_to_earth(52.52, 13.405)");
  c.execute("SET search_path = ''");
}

void drop_user_content(Connection& c) {
  // What an extension owns stays: the role may not be allowed to make it again.
  const auto not_of_extension = [](const std::string& catalog_name, const std::string& oid) {
    return " AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = '" + catalog_name +
           "'::regclass AND e.objid = " + oid + " AND e.deptype = 'e')";
  };
  const std::string user_schema = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";
  const Result statements = c.query(
      "SELECT s FROM ("
      // public is not dropped: the archive takes it for granted, with the rights it has.
      "SELECT 1 AS o, format('DROP SCHEMA IF EXISTS %I CASCADE', n.nspname) AS s FROM pg_namespace n WHERE " +
      user_schema + " AND n.nspname <> 'public'" + not_of_extension("pg_namespace", "n.oid") +
      " UNION ALL SELECT CASE c.relkind WHEN 'm' THEN 2 WHEN 'v' THEN 3 WHEN 'S' THEN 5 ELSE 4 END, "
      "format('DROP %s IF EXISTS %I.%I CASCADE', "
      "CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' WHEN "
      "'f' THEN 'FOREIGN TABLE' "
      "WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END, n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON "
      "n.oid = c.relnamespace "
      "WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c')" +
      not_of_extension("pg_class", "c.oid") +
      " UNION ALL SELECT 6, format('DROP ROUTINE IF EXISTS %s CASCADE', p.oid::regprocedure) FROM pg_proc p "
      "JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'public'" +
      not_of_extension("pg_proc", "p.oid") +
      " UNION ALL SELECT 7, format('DROP TYPE IF EXISTS %I.%I CASCADE', n.nspname, t.typname) FROM pg_type t "
      "JOIN pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname = 'public' AND t.typtype IN ('e', 'd', "
      "'r')" +
      not_of_extension("pg_type", "t.oid") + ") drops ORDER BY o, s");
  for (const std::string& statement : first_column(statements)) c.execute(statement);
}

std::vector<std::string> lock_against_writes(Connection& c) {
  const Result tables = c.query(
      "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = "
      "c.relnamespace WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> "
      "'information_schema' AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass "
      "AND e.objid = c.oid AND e.deptype = 'e') ORDER BY 1");
  std::vector<std::string> out = first_column(tables);
  std::string list;
  for (const std::string& table : out) list += (list.empty() ? "ONLY " : ", ONLY ") + table;
  if (!out.empty()) c.execute("LOCK TABLE " + list + " IN EXCLUSIVE MODE");
  return out;
}

std::string current_transaction(Connection& c) {
  return c.query("SELECT pg_current_xact_id()::text").string(0, 0);
}

std::string newest_row(Connection& c, const std::string& schema, const std::string& name,
                       const std::string& column) {
  const Result there = c.query(
      "SELECT FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = "
      "c.relnamespace "
      "WHERE n.nspname = $1 AND c.relname = $2 AND a.attname = $3 AND NOT a.attisdropped",
      {schema, name, column});
  if (there.rows() == 0) return "";
  return c.query("SELECT max(" + c.identifier(column) + ")::text FROM " + qualified(c, schema, name))
      .string(0, 0);
}

}  // namespace tmb::catalog
