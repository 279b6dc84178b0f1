// SPDX-License-Identifier: MIT
// The last step of every act of ours: COMMIT, with the undo file published before it, and the truth about
// both when its answer is lost or is an error: a server that shuts down says one after it has committed.
#pragma once

#include <chrono>

#include "teslamate/remove.hh"
#include "teslamate/undo_store.hh"

namespace tmb::teslamate {

// COMMIT of the transaction with the id `id`, believed only when the server says how it ended. Returns when
// it took place; `connection` may then be another one. Throws what COMMIT threw when it did not, `unknown`
// when that cannot be found out within `patience`.
void commit(postgres::Transaction& transaction, postgres::Connection& connection,
            const postgres::ConnectionSettings& database, const std::string& id, const base::Error& unknown,
            std::chrono::seconds patience = std::chrono::seconds(10));

// `pending` is published. Returns the file's final path. Throws what COMMIT threw when it did not happen (the
// file is then gone), needs_person when that cannot be found out.
base::Path commit(const UndoStore& store, postgres::Transaction& transaction,
                  postgres::Connection& connection, const MaintenanceAdapters& adapters,
                  const UndoHeader& header, const base::Path& pending, report::Reporter& reporter);

}  // namespace tmb::teslamate
