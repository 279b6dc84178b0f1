// SPDX-License-Identifier: MIT
// How the tables of a database hold on to each other: columns, primary and unique keys, foreign keys. What a
// deletion takes along and what an insertion needs is worked out from this and not from a fixed list.
#pragma once

#include <compare>
#include <map>
#include <string>
#include <vector>

#include "postgres/connection.hh"

namespace tmb::catalog {

struct Relation {
  std::string schema;
  std::string name;
  // clang-tidy 14 takes what the compiler writes here for a comparison with 0.
  auto operator<=>(const Relation&) const = default;  // NOLINT(modernize-use-nullptr)
  std::string text() const { return schema + "." + name; }
};

enum class OnDelete { refuse, cascade, set_null, set_default };

struct ForeignKey {
  std::string name;
  Relation table;
  std::vector<std::string> columns;
  Relation referenced;
  std::vector<std::string> referenced_columns;
  OnDelete on_delete = OnDelete::refuse;
};

struct UniqueKey {
  std::string name;
  std::vector<std::string> columns;
};

struct RelationLayout {
  std::vector<std::string> columns;      // in order, without dropped and generated ones
  std::vector<std::string> primary_key;  // empty: there is none
  // Its other unique indexes; not those of expressions or of some rows alone.
  std::vector<UniqueKey> unique_keys;
};

struct Layout {
  std::map<Relation, RelationLayout> tables;
  std::vector<ForeignKey> foreign_keys;

  // nullptr where there is no such table.
  const RelationLayout* find(const Relation& relation) const;
  bool has(const Relation& relation, const std::string& column) const;
};

// Ordinary tables of every schema but the system's and temporary ones.
Layout read_layout(postgres::Connection& connection);

std::string qualified(const postgres::Connection& connection, const Relation& relation);

// The sequence that a column's default draws from, quoted; empty when there is none.
std::string sequence_of(postgres::Connection& connection, const Relation& relation,
                        const std::string& column);
// The sequence whose values a column takes, when it is behind `value`, is set to it. Never moves one back.
void raise_sequence(postgres::Connection& connection, const Relation& relation, const std::string& column);

// For the rest of the session: rows by their keys are looked up in an index and not found by reading a table
// or an index through. For acts on few rows, which lie together and have just been read.
void prefer_index_lookups(postgres::Connection& connection);

struct DatabaseIdentity {
  std::string system_identifier;  // of the server
  std::string name;
  std::string oid;
};
DatabaseIdentity read_identity(postgres::Connection& connection);

enum class TransactionEnd { committed, aborted, running, unknown };
// How the transaction of this id (64 bit, as current_transaction names it) ended on the server that gave it;
// unknown when it is too long ago, or on a standby that has not come so far.
TransactionEnd read_transaction_end(postgres::Connection& connection, const std::string& transaction);
// Asks the session in which it runs to end. Does not wait; no error when there is none, or none of ours.
void end_transaction(postgres::Connection& connection, const std::string& transaction);

}  // namespace tmb::catalog
