// SPDX-License-Identifier: MIT
// The undo file of an act that TeslaMate does itself: before it, everything that a deletion of the record
// would take is kept; after it, the file is made to say what really changed. Also works when the run that
// began it has died in between.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "teslamate/undo_store.hh"

namespace tmb::teslamate {

struct ColumnChange {
  std::string column;
  std::optional<std::string> before;
  std::optional<std::string> after;
};

struct CloseResult {
  bool deleted = false;               // the record is gone
  std::vector<ColumnChange> changes;  // of its columns; empty and not deleted: nothing happened
  base::Path undo;                    // empty when nothing happened
};

// Compares the record in a .pending file with what is in the database, and turns the file into the .undo of
// what happened, or removes it when nothing did; with `may_still_happen` it then stays.
CloseResult finish_record(const UndoStore& store, const UndoEntry& pending, postgres::Connection& connection,
                          bool may_still_happen);

// The same for a .pending file that was found. nullopt when nothing happened; while the call is younger than
// a day, TeslaMate may still be at it, and what changed nothing yet stays as it is.
std::optional<UndoEntry> settle_close(const UndoStore& store, const UndoEntry& pending,
                                      postgres::Connection& connection, base::Time now);

}  // namespace tmb::teslamate
