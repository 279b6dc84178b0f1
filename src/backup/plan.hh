// SPDX-License-Identifier: MIT
// Decides what a backup reads: which page ranges there are, and which of the parent's chunks may be taken
// over if their pages have not changed. Pure: no database, no repository.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "catalog/model.hh"
#include "repository/manifest.hh"

namespace tmb::backup {

struct PageRange {
  std::uint64_t first = 0;
  std::optional<std::uint64_t> end;  // empty: to the end of the table
};

// Cuts a table of `pages` heap pages at multiples of 1024 as long as 2048 more follow, the rest at multiples
// of 32, and what is left then of 8; the last range is open. Positions alone decide: a table that grows keeps
// the ranges it had, and what a change near its end makes anew is small.
std::vector<PageRange> page_ranges(std::uint64_t pages);

// Empty when the parent's chunks can be compared with this server and database, else why not.
std::string why_not_incremental(const repository::Manifest& parent, const catalog::ServerFacts& server,
                                const catalog::DatabaseFacts& database);

// The parent's rows of a range: of the chunk of the same range, or of those that it is made of. nullopt where
// the parent's chunks do not fit into the range.
std::optional<repository::Chunk> rows_before(const repository::TableData& before, const PageRange& range);

// A chunk of more objects is read anew as a whole: a night may add one, and 32 ranges of the tail make a full
// chunk.
inline constexpr std::size_t max_objects_of_a_chunk = 64;

// One chunk to make.
struct Task {
  std::size_t table = 0;
  std::size_t chunk = 0;
  PageRange range;
  std::optional<repository::Chunk> before;  // what may be taken over if the pages agree
};

struct TablePlan {
  const catalog::Table* table = nullptr;
  std::string signature;  // hash; empty: its chunks are always read
  std::vector<PageRange> ranges;
};

struct Plan {
  std::vector<TablePlan> tables;
  std::vector<Task> tasks;  // largest tables first
  std::uint64_t pages = 0;
};

// `parent` null: everything is read.
Plan make_plan(const std::vector<catalog::Table>& tables, const catalog::ServerFacts& server,
               const repository::Manifest* parent);

// The next snapshot's id: the time, but always behind the parent's, also when the clock went back.
std::string next_snapshot_id(base::Time now, const std::string& parent_id, const std::string& random_hex4);

}  // namespace tmb::backup
