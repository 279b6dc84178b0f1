// SPDX-License-Identifier: MIT
// The last step of every act of ours: COMMIT, with the undo file published before it, and the truth about
// both when the connection dies in between.
#pragma once

#include "teslamate/remove.hh"
#include "teslamate/undo_store.hh"

namespace tmb::teslamate {

// `pending` is published. Returns the file's final path. Throws what COMMIT threw when it did not happen (the
// file is then gone), needs_person when that cannot be found out.
base::Path commit(const UndoStore& store, postgres::Transaction& transaction,
                  postgres::Connection& connection, const MaintenanceAdapters& adapters,
                  const UndoHeader& header, const base::Path& pending, report::Reporter& reporter);

}  // namespace tmb::teslamate
