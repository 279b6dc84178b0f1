// SPDX-License-Identifier: MIT
// The one moment in which something is at stake: the service goes down, two databases change names in one
// transaction, the service comes up. Every step is in the journal before it is taken; whatever fails, the old
// database is put back. Not interruptible. Private to restore/.
#pragma once

#include <optional>
#include <string>

#include "base/error.hh"
#include "postgres/connection.hh"
#include "restore/journal.hh"
#include "restore/session.hh"
#include "restore/units.hh"

namespace tmb::restore {

// Where the databases of a journal stand, by their OIDs.
enum class Names { unswapped, swapped, unclear };
Names where_names_stand(postgres::Connection& admin, const Journal& journal);

// Gives `staging` the grants and settings of `live` while nothing is at stake yet, and compares. Throws
// database.
void rehearse_access(Session& session, const std::string& live, const std::string& staging);

class Swap {
 public:
  // `journal` holds names, OIDs and units; its step is set here.
  Swap(Session& session, Journal journal);

  // All of it. Returns the seconds of the outage. Throws the first error with the old database live again, as
  // it was: the error's own code before the names were swapped, rolled_back after; needs_person when that
  // failed.
  double run();

  // For a run that died: finishes what was swapped, undoes what was not. Returns what it did, for a person.
  std::string recover();

  const Journal& journal() const { return journal_; }

 private:
  void write_step(Step step);
  void take_down();
  void close_door();
  void end_all_sessions();
  void exchange_names();
  void bring_up();
  void finish();
  void try_exchange();
  void undo_exchange();
  void open_doors();
  [[noreturn]] void go_back(const base::Error& cause);
  void put_back(const base::Error& cause, bool& was_live);
  void put_back_for_certain(const base::Error& cause, bool& was_live);
  [[noreturn]] void give_up(const base::Error& cause, const base::Error& second);
  bool live_database_answers();
  std::string manual_steps(Names names) const;
  std::string live_state() const;
  std::string quoted(const std::string& name) const;

  Session* session_;
  Journal journal_;
  Units units_;
  std::optional<postgres::Connection> admin_;  // without a stop token: it is never cancelled
  double down_seconds_ = 0;
  std::optional<base::Error> left_down_;  // why a unit did not come up on the old data either
};

}  // namespace tmb::restore
