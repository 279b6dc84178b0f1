// SPDX-License-Identifier: MIT
// What every operation of this folder begins with: the one restore at a time, a session beside the live
// database, and nothing left unfinished by a run that died. Private to restore/.
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "base/lock.hh"
#include "catalog/admin.hh"
#include "postgres/connection.hh"
#include "restore/journal.hh"
#include "restore/restore.hh"

namespace tmb::restore {

struct Session {
  const Options& options;
  const Adapters& adapters;
  report::Reporter& reporter;
  std::stop_token stop;
  std::string run;  // id of this run
  base::Time began;
  base::FileLock lock;  // of the state folder
  JournalFile journal;
  std::string database;  // the name of the live database
  // In a database that is neither the live nor the staging one.
  postgres::Connection admin;
  std::string system_identifier;
  std::string word = "snapshot";  // what is restored: "snapshot" or "file", for messages

  const postgres::ConnectionSettings& settings() const { return adapters.database; }
};

// Takes the locks and connects; throws locked, cannot_connect, local_io.
Session open_session(const Options& options, const Adapters& adapters, report::Reporter& reporter,
                     const std::stop_token& stop);

// A session in a database that no restore renames: postgres, or template1. `stop` empty: it is not cancelled.
postgres::Connection open_admin(const postgres::ConnectionSettings& settings, const std::string& live,
                                const std::stop_token& stop = {});

// As open_admin, but waits up to `patience` for a server that is down or starting.
postgres::Connection reopen_admin(const postgres::ConnectionSettings& settings, const std::string& live,
                                  std::chrono::seconds patience);

// The journal goes. For when all is done: a failure is a warning, for it makes nothing undone.
void forget_journal(const Session& session);

// Databases of dead runs that carry our staging marker are dropped. Those of living runs elsewhere are not.
void remove_dead_staging(Session& session);

// Kept and rejected databases of the live one, newest first.
std::vector<KeptDatabase> list_kept(Session& session, bool with_rejected);

// The same for what is told at the end, through a session of its own: the work is done by then, and neither a
// signal that came meanwhile nor a lost connection may make it look undone. Empty, with a warning, when it
// cannot be read.
std::vector<KeptDatabase> list_kept_at_end(Session& session);

// "state:" of an error while nothing has been changed yet.
std::string untouched_state(const Session& session);

}  // namespace tmb::restore
