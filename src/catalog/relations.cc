// SPDX-License-Identifier: MIT
#include "catalog/relations.hh"

#include <algorithm>

#include "base/error.hh"
#include "catalog/reader.hh"

namespace tmb::catalog {

using postgres::Connection;
using postgres::DatabaseError;
using postgres::Result;

namespace {

constexpr const char* ordinary = R"(
  c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast'))";

// The names of attributes `numbers` of relation `oid`, in the order of the numbers: rows of one name each.
std::string names_of(const std::string& oid, const std::string& numbers) {
  return "(SELECT coalesce(string_agg(quote_ident(a.attname), ',' ORDER BY k.at), '') FROM unnest(" +
         numbers + ") WITH ORDINALITY k(number, at) JOIN pg_attribute a ON a.attrelid = " + oid +
         " AND a.attnum = k.number)";
}

// The inverse of string_agg(quote_ident(…), ',').
std::vector<std::string> split_identifiers(std::string_view text) {
  std::vector<std::string> out;
  std::size_t at = 0;
  while (at < text.size()) {
    std::string name;
    if (text[at] == '"') {
      for (++at; at < text.size(); ++at) {
        if (text[at] == '"' && (at + 1 >= text.size() || text[at + 1] != '"')) break;
        if (text[at] == '"') ++at;
        name += text[at];
      }
      ++at;
    } else {
      while (at < text.size() && text[at] != ',') name += text[at++];
    }
    out.push_back(std::move(name));
    ++at;  // the comma
  }
  return out;
}

OnDelete on_delete_of(std::string_view letter) {
  if (letter == "c") return OnDelete::cascade;
  if (letter == "n") return OnDelete::set_null;
  if (letter == "d") return OnDelete::set_default;
  return OnDelete::refuse;
}

}  // namespace

const RelationLayout* Layout::find(const Relation& relation) const {
  const auto found = tables.find(relation);
  return found == tables.end() ? nullptr : &found->second;
}

bool Layout::has(const Relation& relation, const std::string& column) const {
  const RelationLayout* table = find(relation);
  return table != nullptr && std::ranges::find(table->columns, column) != table->columns.end();
}

Layout read_layout(Connection& connection) {
  Layout out;
  const Result columns = connection.query(std::string(R"(
  SELECT n.nspname, c.relname, string_agg(quote_ident(a.attname), ',' ORDER BY a.attnum)
         FILTER (WHERE a.attgenerated = '')
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  WHERE)") + ordinary + " GROUP BY 1, 2");
  for (int row = 0; row < columns.rows(); ++row) {
    out.tables[{columns.string(row, 0), columns.string(row, 1)}].columns =
        split_identifiers(columns.text(row, 2));
  }
  const Result unique = connection.query(
      std::string("SELECT n.nspname, c.relname, x.relname, i.indisprimary, ") +
      names_of("c.oid", "i.indkey[0:i.indnkeyatts - 1]") +
      " FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
      "JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indisunique AND i.indisvalid AND i.indpred IS NULL "
      "AND i.indexprs IS NULL AND" +
      ordinary + " ORDER BY 1, 2, 3");
  for (int row = 0; row < unique.rows(); ++row) {
    RelationLayout& table = out.tables[{unique.string(row, 0), unique.string(row, 1)}];
    std::vector<std::string> names = split_identifiers(unique.text(row, 4));
    if (unique.boolean(row, 3)) {
      table.primary_key = std::move(names);
    } else {
      table.unique_keys.push_back({unique.string(row, 2), std::move(names)});
    }
  }
  const Result keys = connection.query(
      std::string("SELECT k.conname, n.nspname, c.relname, ") + names_of("c.oid", "k.conkey") +
      ", rn.nspname, rc.relname, " + names_of("rc.oid", "k.confkey") +
      ", k.confdeltype FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid "
      "JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_class rc ON rc.oid = k.confrelid "
      "JOIN pg_namespace rn ON rn.oid = rc.relnamespace WHERE k.contype = 'f' AND" +
      ordinary + R"( ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C", k.conname COLLATE "C")");
  for (int row = 0; row < keys.rows(); ++row) {
    out.foreign_keys.push_back({keys.string(row, 0),
                                {keys.string(row, 1), keys.string(row, 2)},
                                split_identifiers(keys.text(row, 3)),
                                {keys.string(row, 4), keys.string(row, 5)},
                                split_identifiers(keys.text(row, 6)),
                                on_delete_of(keys.text(row, 7))});
  }
  return out;
}

std::string qualified(const Connection& connection, const Relation& relation) {
  return qualified(connection, relation.schema, relation.name);
}

std::string sequence_of(Connection& connection, const Relation& relation, const std::string& column) {
  // By the default's dependency: older databases have sequences that belong to no column.
  const Result sequence = connection.query(R"(
  SELECT n.nspname, c.relname FROM pg_attribute a
  JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
  JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass
  JOIN pg_class c ON c.oid = d.refobjid AND c.relkind = 'S' JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE a.attrelid = $1::regclass AND a.attname = $2)",
                                           {qualified(connection, relation), column});
  return sequence.rows() == 1 ? qualified(connection, sequence.string(0, 0), sequence.string(0, 1)) : "";
}

void raise_sequence(Connection& connection, const Relation& relation, const std::string& column) {
  const std::string name = sequence_of(connection, relation, column);
  if (name.empty()) return;
  connection.query("SELECT setval($1::regclass, m.id) FROM (SELECT max(" + connection.identifier(column) +
                       ")::int8 AS id FROM " + qualified(connection, relation) + ") m, " + name +
                       " s WHERE m.id > s.last_value",
                   {name});
}

DatabaseIdentity read_identity(Connection& connection) {
  const Result r = connection.query(R"(
  SELECT (SELECT system_identifier FROM pg_control_system()), d.datname, d.oid
  FROM pg_database d WHERE d.datname = current_database())");
  return {r.string(0, 0), r.string(0, 1), r.string(0, 2)};
}

void prefer_index_lookups(Connection& connection) {
  connection.execute("SET random_page_cost = 1.1; SET enable_mergejoin = off");
}

TransactionEnd read_transaction_end(Connection& connection, const std::string& transaction) {
  if (transaction.empty()) return TransactionEnd::unknown;
  try {
    const Result r = connection.query("SELECT pg_xact_status($1::xid8)", {transaction});
    if (r.text(0, 0) == "committed") return TransactionEnd::committed;
    if (r.text(0, 0) == "aborted") return TransactionEnd::aborted;
    return r.text(0, 0) == "in progress" ? TransactionEnd::running : TransactionEnd::unknown;
  } catch (const DatabaseError& error) {
    // "is in the future": no such id was ever given, or a crash took it back. A standby may not know it yet.
    const bool future = error.sqlstate() == "22023";
    const bool standby = connection.query("SELECT pg_is_in_recovery()").boolean(0, 0);
    return future && !standby ? TransactionEnd::aborted : TransactionEnd::unknown;
  }
}

void end_transaction(Connection& connection, const std::string& transaction) {
  try {
    connection.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_xid = $1::xid8::xid",
        {transaction});
  } catch (const DatabaseError& error) {
    if (error.sqlstate() != "42501") throw;
  }
}

}  // namespace tmb::catalog
