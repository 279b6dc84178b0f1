// SPDX-License-Identifier: MIT
// The statements that read pg_catalog for a backup. All names are schema-qualified and search_path is empty:
// nothing that a user created can be run instead (CVE-2018-1058).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "catalog/model.hh"
#include "postgres/connection.hh"

namespace tmb::catalog {

// The quoted, qualified name.
std::string qualified(const postgres::Connection& connection, const std::string& schema,
                      const std::string& name);

// Ordinary tables whose rows a backup carries: not those of the system, of extensions or temporary ones.
// Ordered by schema and name. `pages` is read from the file system and is never less than the snapshot needs.
std::vector<Table> read_tables(postgres::Connection& connection);
std::vector<Sequence> read_sequences(postgres::Connection& connection);
std::vector<Extension> read_extensions(postgres::Connection& connection);
std::vector<Obstacle> read_obstacles(postgres::Connection& connection);
DatabaseFacts read_database(postgres::Connection& connection);
ServerFacts read_server(postgres::Connection& connection);
std::string read_current_role(postgres::Connection& connection);
// Role names that owners, grants and policies of this database's objects mention.
std::vector<std::string> read_roles(postgres::Connection& connection);
// Populated materialised views, quoted, each after those it reads.
std::vector<std::string> read_materialized_views(postgres::Connection& connection);
// Newest version in public.schema_migrations, empty when there is no such table.
std::string read_migration_version(postgres::Connection& connection);
// Changes whenever a definition in the database may have changed. Not portable between servers.
std::string read_catalog_fingerprint(postgres::Connection& connection);

// Of the definitions that can change without a lock on the tables that use them, and that the server prints
// as they are today, whatever the snapshot: schemas, enum labels, row types, functions, views. Different
// before and after a backup: what was read may not fit together.
std::string read_names_fingerprint(postgres::Connection& connection);

// How old, as age() counts in this session's present transaction, a row version is that was written by
// `transaction` (64-bit, with epoch).
std::int64_t read_age(postgres::Connection& connection, std::uint64_t transaction);

struct PageRows {
  std::uint64_t rows = 0;
  std::uint64_t young = 0;  // of these, written by transactions no older than `age`
};
// Counts the row versions that this snapshot sees in pages [first, end) of the table, without formatting one;
// `end` empty: to the end. A version whose age cannot be told (after 2^31 transactions) counts as young.
PageRows count_rows(postgres::Connection& connection, const std::string& table, std::uint64_t first_page,
                    std::optional<std::uint64_t> end_page, std::int64_t age);
// The COPY statement for the same pages; with `age`, of the rows alone that count_rows calls young, or of the
// others.
enum class Written { since, before };
std::string copy_out_statement(const postgres::Connection& connection, const Table& table,
                               std::uint64_t first_page, std::optional<std::uint64_t> end_page,
                               std::optional<std::int64_t> age, Written written = Written::since);

// From now on a statement of this session that has waited `timeout_ms` for a lock throws DatabaseError 55P03.
// To be called first: also the functions above lock what they look at (pg_relation_size, a sequence's state).
void limit_lock_waits(postgres::Connection& connection, int timeout_ms);
// LOCK TABLE ONLY … IN ACCESS SHARE MODE for all `tables`; takes no snapshot.
void lock_tables(postgres::Connection& connection, const std::vector<Table>& tables);
// Who holds or waits for a lock that conflicts with reading: "pid 123 (ALTER TABLE …)"; empty when nobody.
std::string describe_blockers(postgres::Connection& connection);

std::string export_snapshot(postgres::Connection& connection);
void import_snapshot(postgres::Connection& connection, const std::string& snapshot);

}  // namespace tmb::catalog
