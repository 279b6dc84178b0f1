// SPDX-License-Identifier: MIT
// Indexes, keys and foreign keys, made side by side as far as their locks allow. Private to
// restore/.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "postgres/connection.hh"
#include "sql/judge.hh"

namespace tmb::restore {

struct PostStatement {
  std::string text;
  std::uint64_t line = 0;         // of the dump that it stands in; 0: none
  std::vector<sql::Name> alone;   // tables that nothing else may work on meanwhile
  std::vector<sql::Name> shared;  // tables that others may index meanwhile
};

// How the sessions have to be that run them. Empty: as they are.
struct PostSession {
  std::string role;
  std::string encoding;     // of the statements
  std::string search_path;  // the statement of the dump that sets it
  std::string strings;      // the one that says what a backslash in them means
};

// Runs all of them, in their order as far as possible, over up to `jobs` sessions.
void run_post_statements(const std::vector<PostStatement>& statements,
                         const postgres::ConnectionSettings& settings, unsigned jobs, const PostSession& how,
                         const std::stop_token& stop);

}  // namespace tmb::restore
