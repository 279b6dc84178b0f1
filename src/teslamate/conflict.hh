// SPDX-License-Identifier: MIT
// What the server refuses because others are at work on the same rows, or because it takes no changes, in
// words that say what to do.
#pragma once

#include <string>

#include "postgres/connection.hh"

namespace tmb::teslamate {

// `what` was to be worked on, `state` is what is true now. Asks the server who is in the way where a lock was
// waited for in vain. Throws locked for that, refused for rows that changed meanwhile, database for the rest.
[[noreturn]] void rethrow_conflict(const postgres::DatabaseError& error,
                                   const postgres::ConnectionSettings& database, const std::string& what,
                                   const std::string& state);

}  // namespace tmb::teslamate
