// SPDX-License-Identifier: MIT
// Which rows a deletion takes along: those asked for, those that ON DELETE CASCADE takes with them, the
// columns that ON DELETE SET NULL empties, and the rows that stand in the way. Worked out by the server in
// temporary tables of the caller's transaction, so it is exact and costs no memory here. Deletes nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "catalog/relations.hh"
#include "postgres/connection.hh"

namespace tmb::teslamate {

// Rows of one table, by their place (ctid) in a temporary table.
struct RowSet {
  catalog::Relation table;
  std::string set;  // the temporary table, as SQL
  std::uint64_t rows = 0;
};

// Rows that stay and lose the value of their key's columns.
struct EmptiedSet {
  catalog::ForeignKey key;
  RowSet rows;
};

class Closure {
 public:
  // Both must live as long as this. `connection` is in a transaction of one snapshot (REPEATABLE READ).
  Closure(postgres::Connection& connection, const catalog::Layout& layout);

  // Rows of `table` (alias t) for which `condition` holds, and all that goes with them.
  void add(const catalog::Relation& table, const std::string& condition,
           const std::vector<postgres::Parameter>& parameters);
  // As add, but leaves out rows that a row that stays refers to. Returns how many were left out.
  std::uint64_t add_unreferenced(const catalog::Relation& table, const std::string& condition,
                                 const std::vector<postgres::Parameter>& parameters);
  // To be called once, when everything is added.
  void finish();

  const std::vector<RowSet>& deleted() const { return deleted_; }
  const std::vector<EmptiedSet>& emptied() const { return emptied_; }
  // Rows that stay and would be left without what they refer to, in words.
  const std::vector<std::string>& obstacles() const { return obstacles_; }
  std::uint64_t rows_of(const catalog::Relation& table) const;
  // The SQL name of the set of the table's rows that go; empty when there are none.
  std::string set_of(const catalog::Relation& table) const;

  // Deletes the rows in one statement, so that only its end has to satisfy the constraints. Throws internal
  // when the numbers are not those that were counted. The caller commits.
  void execute();

 private:
  RowSet& set_for(const catalog::Relation& table);
  std::string new_set();
  void spread(const catalog::Relation& from);
  std::uint64_t drop_referenced(const catalog::ForeignKey& key, const std::string& wanted,
                                std::uint64_t count);
  void leave_behind(const catalog::ForeignKey& key, const RowSet& source);
  std::string referring_rows(const catalog::ForeignKey& key, const std::string& of_set,
                             std::uint64_t count) const;
  void check_emptied() const;

  postgres::Connection& connection_;
  const catalog::Layout& layout_;
  std::vector<RowSet> deleted_;
  std::vector<EmptiedSet> emptied_;
  std::vector<std::string> obstacles_;
  int sets_ = 0;
};

}  // namespace tmb::teslamate
