// SPDX-License-Identifier: MIT
// The coordinator's session: locks first, snapshot second, so that nothing the snapshot shows can change its
// definition while it is read.
#pragma once

#include <chrono>
#include <stop_token>
#include <string>
#include <vector>

#include "catalog/model.hh"
#include "postgres/connection.hh"

namespace tmb::backup {

struct Session {
  postgres::Connection connection;  // in the transaction that owns the snapshot and the locks
  std::string snapshot;             // for import by other sessions while this one lives
  catalog::ServerFacts server;
  catalog::DatabaseFacts database;
  std::vector<catalog::Table> tables;
  std::vector<catalog::Obstacle> obstacles;
  std::chrono::steady_clock::time_point locked_at;
};

// Tries up to three times when definitions change between listing and locking. Throws database, naming who
// holds a lock for longer than `lock_timeout_ms`; unsupported for servers before 14.
Session open_session(const postgres::ConnectionSettings& settings, int lock_timeout_ms,
                     const std::stop_token& stop);

// Another session on the same snapshot, with the locks of its own that it needs. Throws database 55P03 when a
// change of definition has queued up behind our locks: waiting for it would wait for ourselves.
postgres::Connection open_reader(const postgres::ConnectionSettings& settings, const Session& session,
                                 const std::stop_token& stop);

}  // namespace tmb::backup
