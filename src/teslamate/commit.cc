// SPDX-License-Identifier: MIT
#include "teslamate/commit.hh"

#include <chrono>
#include <thread>
#include <utility>

#include "base/error.hh"

namespace tmb::teslamate {

using base::Error;
using base::ExitCode;
using postgres::Connection;

namespace {

constexpr std::chrono::milliseconds between_attempts{250};

// How the transaction ended whose COMMIT gave no good answer. The session is ended first, so that what was
// not committed is rolled back. A server that restarts is waited for.
catalog::TransactionEnd read_end(Connection& connection, const postgres::ConnectionSettings& database,
                                 const std::string& id, std::chrono::seconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  bool open = false;
  do {
    try {
      if (!std::exchange(open, true)) connection = Connection::open(database);
      const auto end = catalog::read_transaction_end(connection, id);
      if (end != catalog::TransactionEnd::running) return end;
    } catch (const Error&) {
      open = false;
    }
    std::this_thread::sleep_for(between_attempts);
  } while (std::chrono::steady_clock::now() < deadline);
  return catalog::TransactionEnd::unknown;
}

}  // namespace

void commit(postgres::Transaction& transaction, Connection& connection,
            const postgres::ConnectionSettings& database, const std::string& id, const Error& unknown,
            std::chrono::seconds patience) {
  try {
    transaction.commit();
  } catch (const Error&) {
    switch (read_end(connection, database, id, patience)) {
      case catalog::TransactionEnd::committed: return;
      case catalog::TransactionEnd::aborted: throw;
      case catalog::TransactionEnd::running:
      case catalog::TransactionEnd::unknown: break;
    }
    throw Error(unknown);
  }
}

base::Path commit(const UndoStore& store, postgres::Transaction& transaction, Connection& connection,
                  const MaintenanceAdapters& adapters, const UndoHeader& header, const base::Path& pending,
                  report::Reporter& reporter) {
  const Error unknown =
      Error(ExitCode::needs_person, "the connection was lost at the very end")
          .with_state("it is not known whether it was done; what it takes to undo it is kept in " +
                      base::printable(pending.string()))
          .with_hint("teslamate-undo --list says it, once the database answers again");
  try {
    commit(transaction, connection, adapters.database, header.transaction, unknown);
  } catch (const Error& error) {
    if (error.code() != ExitCode::needs_person) store.discard(pending);
    throw;
  }
  try {
    return store.confirm(pending);
  } catch (const Error& error) {
    reporter.warning("the undo file keeps its name: " + error.message());
    return pending;
  }
}

}  // namespace tmb::teslamate
