// SPDX-License-Identifier: MIT
// The statements of a merge. The source's rows lie in pg_temp.src_TABLE; pg_temp.map_TABLE says for each
// wanted one (old) what becomes of it: insert, same (it is there, as new) or skip (other: what it would
// double). Private to merge.
#pragma once

#include <string>
#include <vector>

#include "catalog/relations.hh"
#include "teslamate/merge.hh"

namespace tmb::teslamate {

// Throws unsupported when the source's schema is newer than the live database's.
void require_schema(postgres::Connection& connection, const RowSource& source);

// In an order in which references point backwards, but for drives and positions, which point at each other.
inline const std::vector<std::string> merged_tables{
    "car_settings",       "cars",    "addresses", "geofences", "drives", "positions",
    "charging_processes", "charges", "states",    "updates"};

class MergeMaps {
 public:
  MergeMaps(postgres::Connection& connection, const catalog::Layout& layout, const MergeOptions& options,
            RowSource& source)
      : connection_(connection), layout_(layout), options_(options), source_(source) {}

  // Fills src_TABLE of the small tables and decides about drives, charges, cars; then about what they need.
  void build(report::Reporter& reporter);
  // Instead of build: every row of these tables, of what a user configured (settings_tables.hh).
  void build_settings(const std::vector<std::string>& tables);

  struct Counts {
    std::uint64_t inserted = 0;
    std::uint64_t there = 0;
    std::uint64_t skipped = 0;
    std::uint64_t renumbered = 0;
  };
  Counts counts(const std::string& table);
  // Positions that are there without their drive, which a deletion had left behind.
  std::uint64_t detached();

  // Gives ids, inserts, puts positions that are there back into their drives. Returns the rows inserted.
  std::uint64_t execute();
  // The inserted rows as the tables have them now, into the undo file.
  void record_inserted(UndoWriter& writer);

 private:
  void load(const std::string& table, const RowFilter& filter);
  void load_positions(report::Reporter& reporter);
  void create_map(const std::string& table, const std::string& select);
  void map_cars(const std::string& needed);
  void map_timed(const std::string& table, const std::string& condition, bool silent);
  void map_places(const std::string& table, const std::string& used, const std::string& same);
  void map_positions();
  void map_charges();
  void require_found(const Ids& ids, const char* table, const char* what);
  void give_ids(const std::string& table);
  std::string insert_statement(const std::string& table) const;
  std::string selected(const std::string& ids_column, const Ids& ids) const;
  std::unordered_set<std::string> text_set(const std::string& query);
  std::size_t column_of(const std::string& table, const std::string& column) const;

  postgres::Connection& connection_;
  const catalog::Layout& layout_;
  const MergeOptions& options_;
  RowSource& source_;
  std::vector<std::string> tables_ = merged_tables;
};

}  // namespace tmb::teslamate
