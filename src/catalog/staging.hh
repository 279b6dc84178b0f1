// SPDX-License-Identifier: MIT
// The statements that fill a database from a snapshot and look whether everything arrived.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "catalog/model.hh"
#include "postgres/binary_rows.hh"
#include "postgres/connection.hh"

namespace tmb::catalog {

// Settings of a session that only fills a database nobody uses yet.
void prepare_for_loading(postgres::Connection& connection);
// The same for one that makes indexes: this much memory to sort in, no further processes.
void prepare_for_indexing(postgres::Connection& connection, std::uint64_t memory_mb);
// Keeps triggers, event triggers and rules of the restored database from running; where the role may not,
// nothing.
void silence_triggers(postgres::Connection& connection);

enum class CopyFormat { text, binary };
// COPY … FROM STDIN for these columns; a table without columns is copied whole.
std::string copy_in_statement(const postgres::Connection& connection, const std::string& schema,
                              const std::string& name, const std::vector<std::string>& columns,
                              CopyFormat format = CopyFormat::text);
// How cells of these columns travel in binary; empty when one of them has no such form that is known.
std::vector<postgres::Wire> read_wires(postgres::Connection& connection, const std::string& schema,
                                       const std::string& name, const std::vector<std::string>& columns);
void set_sequence(postgres::Connection& connection, const Sequence& sequence);
// `quoted_name` as read_materialized_views wrote it.
void refresh_materialized_view(postgres::Connection& connection, const std::string& quoted_name);
void analyze_table(postgres::Connection& connection, const std::string& schema, const std::string& name);

// Rows of the table itself, without those of tables that inherit from it.
std::uint64_t count_rows(postgres::Connection& connection, const std::string& schema,
                         const std::string& name);

struct ObjectCounts {
  std::uint64_t indexes = 0;
  std::uint64_t constraints = 0;
};
ObjectCounts read_object_counts(postgres::Connection& connection);
// Indexes that the server would not use: not valid or not ready. Those of partitioned tables are left out.
std::vector<std::string> read_invalid_indexes(postgres::Connection& connection);
// Constraints that new rows must meet and old ones were not checked for.
std::vector<std::string> read_unvalidated_constraints(postgres::Connection& connection);
// Calls ll_to_earth, as TeslaMate's queries do. Throws database when it does not work.
void try_earthdistance(postgres::Connection& connection, const std::string& schema);

// Drops all that users made: schemas but public, and what is in public. Extensions and what they own stay.
void drop_user_content(postgres::Connection& connection);

// Locks every table that drop_user_content would drop: it can be read, and nobody but this transaction
// writes to it. Returns their names, quoted and sorted.
std::vector<std::string> lock_against_writes(postgres::Connection& connection);

// The id of the running transaction.
std::string current_transaction(postgres::Connection& connection);

// The newest value of a table's date column as text; empty when there is no such table, column or row.
std::string newest_row(postgres::Connection& connection, const std::string& schema, const std::string& name,
                       const std::string& column);

}  // namespace tmb::catalog
