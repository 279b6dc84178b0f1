// SPDX-License-Identifier: MIT
// What lies between two states of a database: rows added, changed and removed, told apart by primary key.
// Objects that both states have are the same rows and are not read. Changes nothing.
#pragma once

#include <cstdint>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "report/json.hh"
#include "report/reporter.hh"
#include "repository/source.hh"

namespace tmb::diff {

struct Counts {
  std::uint64_t added = 0;
  std::uint64_t changed = 0;
  std::uint64_t removed = 0;
  bool any() const { return added != 0 || changed != 0 || removed != 0; }
  friend bool operator==(const Counts&, const Counts&) = default;
};

struct TableDiff {
  enum class Where { both, only_before, only_after };
  std::string schema;
  std::string name;
  Where where = Where::both;
  std::uint64_t rows_before = 0;
  std::uint64_t rows_after = 0;
  Counts rows;
  bool by_key = true;  // false: it has no primary key, so a changed row is one removed and one added
  bool columns_changed = false;  // rows are then compared in the columns that both have
};

// What happened to the drives and charges of one car on one day, by the day they began.
struct DayDiff {
  std::string date;  // 2026-11-19; empty where the row has none
  Counts drives;
  Counts charges;
};

struct CarDiff {
  std::string id;    // as the rows have it; empty for rows of no car
  std::string name;  // empty when neither state tells it
  std::vector<DayDiff> days;
};

struct Report {
  std::string before;  // for people: a snapshot's id
  std::string after;
  std::vector<TableDiff> tables;  // all, by schema and name
  std::vector<CarDiff> cars;      // those with differences
  bool schema_changed = false;    // definitions, as pg_dump writes them
  std::uint64_t objects_read = 0;
  std::uint64_t objects_skipped = 0;
  double seconds = 0;
  bool same() const;
};

// Throws damaged, interrupted. Needs memory for at most a million differing rows, and goes over them more
// than once when there are more.
Report compare(const repository::BackupSource& before, const repository::BackupSource& after,
               report::Reporter& reporter, const std::stop_token& stop);

std::vector<std::string> describe(const Report& report);
report::Json to_json(const Report& report);

}  // namespace tmb::diff
