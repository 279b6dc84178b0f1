// SPDX-License-Identifier: MIT
#include "catalog/timescale.hh"

namespace tmb::catalog {

using postgres::Connection;

namespace {

// The functions are where the extension was put, which need not be public.
std::string function(Connection& connection, const std::string& name) {
  const postgres::Result place = connection.query(
      "SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace "
      "WHERE e.extname = 'timescaledb'");
  const std::string schema = place.rows() == 1 ? place.string(0, 0) : "public";
  return connection.identifier(schema) + "." + name + "()";
}

}  // namespace

void begin_timescale_restore(const postgres::ConnectionSettings& database, const std::string& version,
                             const std::string& schema, const std::stop_token& stop) {
  {
    Connection connection = Connection::open(database, stop);
    connection.execute("CREATE SCHEMA IF NOT EXISTS " + connection.identifier(schema));
    connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb WITH SCHEMA " +
                       connection.identifier(schema) +
                       (version.empty() ? "" : " VERSION " + connection.literal(version)));
  }
  // In a session of its own: the extension's library is loaded when a session begins.
  Connection connection = Connection::open(database, stop);
  connection.execute("SELECT " + function(connection, "timescaledb_pre_restore"));
}

void end_timescale_restore(const postgres::ConnectionSettings& database, const std::stop_token& stop) {
  Connection connection = Connection::open(database, stop);
  connection.execute("SELECT " + function(connection, "timescaledb_post_restore"));
}

}  // namespace tmb::catalog
