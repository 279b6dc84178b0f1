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
std::string qualified(const postgres::Connection& connection, const std::string& schema, const std::string& name);

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

// The 32-bit age of transaction id 3 in this transaction: the base from which row fingerprints count.
std::int64_t read_transaction_base(postgres::Connection& connection);

struct Fingerprint {
  std::uint64_t rows = 0;
  std::string value;
};
// Of the row versions that this snapshot sees in pages [first, end) of the table; `end` empty: to the end.
// Two are equal when the same row versions stand in the same places, as long as fewer than 2^31 transactions lie
// between them.
Fingerprint read_fingerprint(postgres::Connection& connection, const std::string& table, std::uint64_t first_page,
                             std::optional<std::uint64_t> end_page, std::int64_t transaction_base);
// The COPY statement for the same pages.
std::string copy_out_statement(const postgres::Connection& connection, const Table& table, std::uint64_t first_page,
                               std::optional<std::uint64_t> end_page);

// LOCK TABLE ONLY … IN ACCESS SHARE MODE for all `tables`; takes no snapshot. Throws DatabaseError 55P03 after
// `timeout_ms`.
void lock_tables(postgres::Connection& connection, const std::vector<Table>& tables, int timeout_ms);
// Who holds or waits for a lock that conflicts with reading: "pid 123 (ALTER TABLE …)"; empty when nobody.
std::string describe_blockers(postgres::Connection& connection);

std::string export_snapshot(postgres::Connection& connection);
void import_snapshot(postgres::Connection& connection, const std::string& snapshot);

}  // namespace tmb::catalog
