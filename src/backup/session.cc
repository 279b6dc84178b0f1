// SPDX-License-Identifier: MIT
#include "backup/session.hh"

#include "base/error.hh"
#include "catalog/reader.hh"

namespace tmb::backup {

using base::Error;
using base::ExitCode;
using catalog::Table;

namespace {

constexpr const char* snapshot_mode = "ISOLATION LEVEL REPEATABLE READ READ ONLY";
constexpr int first_server_with_tid_range_scans = 140000;
constexpr int reader_lock_timeout_ms = 2000;
constexpr const char* lock_not_available = "55P03";
constexpr const char* undefined_table = "42P01";

bool same_definitions(const std::vector<Table>& a, const std::vector<Table>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const bool same = a[i].oid == b[i].oid && a[i].schema == b[i].schema && a[i].name == b[i].name &&
                      a[i].columns == b[i].columns && a[i].signature == b[i].signature;
    if (!same) return false;
  }
  return true;
}

Error blocked(const postgres::ConnectionSettings& settings, int lock_timeout_ms,
              const std::stop_token& stop) {
  postgres::Connection other = postgres::Connection::open(settings, stop);
  const std::string blockers = catalog::describe_blockers(other);
  return Error(ExitCode::database, "a table is locked for longer than " + std::to_string(lock_timeout_ms) +
                                       " ms" + (blockers.empty() ? "" : " by " + blockers) +
                                       " [SQLSTATE 55P03]")
      .with_hint("run the backup again when that session has ended");
}

// Takes locks and snapshot; false when definitions changed in between.
bool try_open(Session& session) {
  postgres::Connection& connection = session.connection;
  const std::vector<Table> listed = catalog::read_tables(connection);
  connection.execute(std::string("BEGIN ") + snapshot_mode);
  // LOCK TABLE takes no snapshot. With the snapshot first, a TRUNCATE or ALTER that commits before our lock
  // would make us read an empty table, without any error.
  catalog::lock_tables(connection, listed);
  session.locked_at = std::chrono::steady_clock::now();
  session.snapshot = catalog::export_snapshot(connection);
  session.tables = catalog::read_tables(connection);
  return same_definitions(listed, session.tables);
}

}  // namespace

Session open_session(const postgres::ConnectionSettings& settings, int lock_timeout_ms,
                     const std::stop_token& stop) {
  Session session{postgres::Connection::open(settings, stop), {}, {}, {}, {}, {}, {}};
  if (session.connection.server_version() < first_server_with_tid_range_scans) {
    throw Error(ExitCode::unsupported, "PostgreSQL " + session.connection.parameter("server_version") +
                                           " is too old, 14 or newer is needed");
  }
  catalog::limit_lock_waits(session.connection, lock_timeout_ms);
  for (int attempt = 1;; ++attempt) {
    try {
      if (try_open(session)) break;
    } catch (const postgres::DatabaseError& error) {
      if (error.sqlstate() == lock_not_available) throw blocked(settings, lock_timeout_ms, stop);
      // Dropped between listing and locking.
      if (error.sqlstate() != undefined_table || attempt >= 3) throw;
    }
    if (attempt >= 3) {
      throw Error(ExitCode::database, "the definitions of tables keep changing while they are being locked")
          .with_hint("run the backup again when the migration is done");
    }
    session.connection.execute("ROLLBACK");
  }
  session.server = catalog::read_server(session.connection);
  session.database = catalog::read_database(session.connection);
  session.obstacles = catalog::read_obstacles(session.connection);
  return session;
}

postgres::Connection open_reader(const postgres::ConnectionSettings& settings, const Session& session,
                                 const std::stop_token& stop) {
  postgres::Connection connection = postgres::Connection::open(settings, stop);
  catalog::limit_lock_waits(connection, reader_lock_timeout_ms);
  // Without it the planner may read a whole table to find a page range.
  connection.execute("SET enable_seqscan = off");
  connection.execute(std::string("BEGIN ") + snapshot_mode);
  catalog::import_snapshot(connection, session.snapshot);
  catalog::lock_tables(connection, session.tables);
  return connection;
}

}  // namespace tmb::backup
