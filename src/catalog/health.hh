// SPDX-License-Identifier: MIT
// What the system catalog tells about the condition of a database: sequences, extensions, functions, owners,
// objects that hang on others, indexes. Reads only, but for rebuilding an index.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "catalog/relations.hh"
#include "postgres/connection.hh"

namespace tmb::catalog {

struct SequenceBehind {
  Relation sequence;
  Relation table;
  std::string column;
  std::int64_t next = 0;     // what it would hand out
  std::int64_t largest = 0;  // that is in the column
};
std::vector<SequenceBehind> read_sequences_behind(postgres::Connection& connection);

struct ExtensionState {
  std::string name;
  std::string installed;  // empty: it is not
  std::string available;  // the server's default version; empty: the server does not have it
};
std::vector<ExtensionState> read_extension_states(postgres::Connection& connection,
                                                  const std::vector<std::string>& names);
// Of `names` (in the schema public), those that no function has.
std::vector<std::string> missing_functions(postgres::Connection& connection,
                                           const std::vector<std::string>& names);

// Views, materialised views, foreign keys, triggers and rules of others on `tables`: "view public.x on
// positions".
std::vector<std::string> read_dependents(postgres::Connection& connection,
                                         const std::vector<Relation>& tables);
// Of `tables`, those that belong to another role than `like` does: "public.x belongs to bob, not to
// teslamate".
std::vector<std::string> read_other_owners(postgres::Connection& connection,
                                           const std::vector<Relation>& tables, const Relation& like);

struct IndexState {
  Relation index;
  Relation table;
  std::uint64_t bytes = 0;
  std::uint64_t expected_bytes = 0;  // by the statistics, freshly built
  bool valid = true;
};
// B-tree indexes of user tables that are at least twice as large as they need to be and waste `least` bytes
// or more, and those that are not valid. Where there are no statistics an index counts as healthy.
std::vector<IndexState> read_bloated_indexes(postgres::Connection& connection, std::uint64_t least);

// REINDEX INDEX CONCURRENTLY: reads and writes of the table go on. Outside of a transaction.
void reindex(postgres::Connection& connection, const Relation& index);
std::uint64_t relation_bytes(postgres::Connection& connection, const Relation& relation);
// Blocks done and to do of the build that session `pid` runs; zero when it runs none.
struct BuildProgress {
  std::uint64_t done = 0;
  std::uint64_t total = 0;
};
BuildProgress read_build_progress(postgres::Connection& connection, int pid);
// Halves of a rebuild that was cut off (…_ccnew, …_ccold), not valid: dropped. Returns their names.
std::vector<std::string> drop_cut_off_rebuilds(postgres::Connection& connection);

}  // namespace tmb::catalog
