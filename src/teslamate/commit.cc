// SPDX-License-Identifier: MIT
#include "teslamate/commit.hh"

#include <chrono>
#include <thread>

#include "base/error.hh"

namespace tmb::teslamate {

using base::Error;
using base::ExitCode;
using postgres::Connection;

namespace {

// Whether the transaction whose COMMIT got no answer took place. The session is ended first, so that what was
// not committed is rolled back.
bool was_committed(const MaintenanceAdapters& adapters, Connection& connection, const UndoHeader& header,
                   const base::Path& undo) {
  try {
    connection = Connection::open(adapters.database);
    for (int attempt = 0; attempt < 40; ++attempt) {
      const auto end = catalog::read_transaction_end(connection, header.transaction);
      if (end == catalog::TransactionEnd::committed) return true;
      if (end == catalog::TransactionEnd::aborted) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(250));
    }
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch): said below
  }
  throw Error(ExitCode::needs_person, "the connection was lost at the very end")
      .with_state("it is not known whether it was done; what it takes to undo it is kept in " +
                  base::printable(undo.string()))
      .with_hint("teslamate-undo --list says it, once the database answers again");
}

}  // namespace

base::Path commit(const UndoStore& store, postgres::Transaction& transaction, Connection& connection,
                  const MaintenanceAdapters& adapters, const UndoHeader& header, const base::Path& pending,
                  report::Reporter& reporter) {
  try {
    transaction.commit();
  } catch (const Error& error) {
    const bool lost = error.code() == ExitCode::cannot_connect || error.code() == ExitCode::interrupted;
    if (!lost || !was_committed(adapters, connection, header, pending)) {
      store.discard(pending);
      throw;
    }
  }
  try {
    return store.confirm(pending);
  } catch (const Error& error) {
    reporter.warning("the undo file keeps its name: " + error.message());
    return pending;
  }
}

}  // namespace tmb::teslamate
