// SPDX-License-Identifier: MIT
#include "teslamate/conflict.hh"

#include "base/error.hh"
#include "catalog/reader.hh"

namespace tmb::teslamate {

using base::Error;
using base::ExitCode;
using postgres::Connection;

namespace {

// Empty when nobody, or when it cannot be asked any more.
std::string describe_holders(const postgres::ConnectionSettings& database) {
  try {
    Connection connection = Connection::open(database);
    return catalog::describe_blockers(connection);
  } catch (const Error&) {
    return "";
  }
}

}  // namespace

void rethrow_conflict(const postgres::DatabaseError& error, const postgres::ConnectionSettings& database,
                      const std::string& what, const std::string& state) {
  const std::string& sqlstate = error.sqlstate();
  if (sqlstate == "55P03") {
    const std::string holders = describe_holders(database);
    throw Error(ExitCode::locked,
                what + " is held by another session" + (holders.empty() ? "" : ": " + holders))
        .with_state(state)
        .with_hint("try again in a moment");
  }
  if (sqlstate == "40001" || sqlstate == "40P01") {
    throw Error(ExitCode::refused, what + " was changed by another session at this very moment")
        .with_state(state)
        .with_hint("run it again and look at what it shows");
  }
  Error out = error;
  if (sqlstate == "25006") {
    out = Error(ExitCode::database,
                "the server takes no changes: it is a standby, or read only [SQLSTATE " + sqlstate + "]")
              .with_hint("name the server that TeslaMate writes to, with -h or DATABASE_HOST");
  }
  throw Error(out.with_state(state));
}

}  // namespace tmb::teslamate
