// SPDX-License-Identifier: MIT
// The rows of one table that two states do not share, compared by key. Private to diff/.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "diff/diff.hh"
#include "diff/primary_keys.hh"

namespace tmb::diff {

// Objects whose text is to be read without a break: a row may reach over their borders.
using Run = std::vector<const repository::ObjectRef*>;

// The runs of `table` that `other` does not have. `skipped` counts the objects that are left out.
std::vector<Run> runs_without(const repository::TableData& table, const repository::TableData* other,
                              std::uint64_t& skipped);

// Where a row's key, car and day stand, and which cells are compared.
struct Layout {
  std::vector<std::size_t> key;    // empty: the whole row is its own key
  std::vector<std::size_t> cells;  // empty: the whole row is compared as it is
  std::optional<std::size_t> car;
  std::optional<std::size_t> day;
};

struct Side {
  const repository::BackupSource& source;
  std::vector<Run> runs;
  Layout layout;
  std::uint64_t rows = 0;  // at most so many are in the runs
};

struct RowsDiff {
  Counts counts;
  // By car and day; only where the layouts have them.
  std::map<std::pair<std::string, std::string>, Counts> days;
  std::uint64_t objects_read = 0;
};

RowsDiff compare_rows(const Side& before, const Side& after, const std::stop_token& stop);

}  // namespace tmb::diff
