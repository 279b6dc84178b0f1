// SPDX-License-Identifier: MIT
// Takes an act back by its undo file: every row exactly as it was, or none of them and the name of the row
// that stands in the way. Doing it twice changes nothing.
#pragma once

#include "teslamate/remove.hh"
#include "teslamate/undo_store.hh"

namespace tmb::teslamate {

struct UndoOptions {
  std::string wanted = "last";  // as UndoStore::find takes it
  bool dry_run = false;
  int lock_timeout_ms = 5000;
};

// Throws not_found, refused (with the rows in the way), damaged, wrong_key, locked, database.
Outcome undo(const UndoOptions& options, const MaintenanceAdapters& adapters, report::Reporter& reporter,
             const std::stop_token& stop);

// What there is to undo. Looks at the database only for acts whose end is not known, and says "not known"
// where it cannot be reached.
Outcome list_undo(const MaintenanceAdapters& adapters, report::Reporter& reporter,
                  const std::stop_token& stop);

// For an act that a crash left pending: finds out what became of it, and renames or removes its file. nullopt
// when it never happened, the entry as it was when it cannot be told.
std::optional<UndoEntry> settle(const UndoStore& store, const UndoEntry& entry, const UndoHeader& header,
                                postgres::Connection& connection, base::Time now);

}  // namespace tmb::teslamate
