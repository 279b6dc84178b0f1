// SPDX-License-Identifier: MIT
#include "restore/swap.hh"

#include <thread>

#include "base/error.hh"
#include "catalog/admin.hh"
#include "restore/marker.hh"

namespace tmb::restore {

using base::Error;
using base::ExitCode;
using base::printable;
using postgres::Connection;
using namespace std::chrono_literals;

namespace {

constexpr auto server_patience = 60s;  // for a server that restarts under us

std::optional<std::string> name_of_oid(Connection& admin, std::uint32_t oid) {
  const auto entry = catalog::find_database(admin, oid);
  if (!entry) return std::nullopt;
  return entry->name;
}

// The comment that the database gets which becomes live: in a rollback the one that it had when it was.
std::optional<std::string> comment_when_live(const Journal& j) {
  if (j.operation != "rollback") return j.live_comment;
  const std::optional<Marker> marker = parse_marker(j.staging_comment);
  return marker ? marker->comment : std::nullopt;
}

std::string list(const std::vector<catalog::SessionEntry>& sessions) {
  std::string out;
  for (const catalog::SessionEntry& session : sessions)
    out += (out.empty() ? "" : ", ") + catalog::describe(session);
  return out;
}

}  // namespace

Names where_names_stand(Connection& admin, const Journal& j) {
  const auto new_name = name_of_oid(admin, j.staging_oid);
  const auto old_name = j.live_oid == 0 ? std::nullopt : name_of_oid(admin, j.live_oid);
  const bool had_live = j.live_oid != 0;
  if (new_name == j.live && (!had_live || old_name == j.kept)) return Names::swapped;
  // The staging database may be gone: an undo that was itself interrupted dropped it.
  const bool staging_waits = !new_name || new_name == j.staging;
  if (staging_waits && (had_live ? old_name == j.live : !catalog::find_database(admin, j.live)))
    return Names::unswapped;
  return Names::unclear;
}

Swap::Swap(Session& session, Journal journal)
    : session_(&session),
      journal_(std::move(journal)),
      units_(session.adapters.services, session.options, session.reporter) {}

double Swap::run() {
  try {
    admin_ = open_admin(session_->settings(), session_->database);
    units_.look(journal_.units);
    units_.announce_stop();
    session_->reporter.begin_phase("swapping", journal_.live, 0, report::Unit::items);
    take_down();
    close_door();
    exchange_names();
    bring_up();
  } catch (const Error& error) {
    go_back(error);
  } catch (const std::exception& error) {
    go_back(Error(ExitCode::internal, error.what()));
  }
  finish();
  session_->reporter.end_phase("down for " + report::duration(down_seconds_));
  return down_seconds_;
}

void rehearse_access(Session& s, const std::string& live, const std::string& staging) {
  std::vector<std::string> differences;
  {
    postgres::Transaction transaction(s.admin, "");
    catalog::copy_access(s.admin, live, staging);
    transaction.commit();
    differences = catalog::access_differences(s.admin, live, staging);
  }
  if (differences.empty()) return;
  throw Error(ExitCode::database,
              "what " + printable(live) +
                  " allows and sets cannot be given to the new database: " + printable(differences.front()))
      .with_hint("run the restore as a superuser of PostgreSQL");
}

void Swap::write_step(Step step) {
  journal_.step = step;
  session_->journal.write(journal_);
}

void Swap::take_down() {
  write_step(Step::stopping);
  units_.take_down(journal_.units);
}

// A closed door keeps everyone out, superusers too; those inside are asked to leave until none is left.
void Swap::close_door() {
  write_step(Step::closing);
  catalog::allow_connections(*admin_, journal_.staging, false);
  if (journal_.live_oid != 0) catalog::allow_connections(*admin_, journal_.live, false);
  end_all_sessions();
}

void Swap::end_all_sessions() {
  std::vector<std::uint32_t> oids{journal_.staging_oid};
  if (journal_.live_oid != 0) oids.push_back(journal_.live_oid);
  const auto deadline = std::chrono::steady_clock::now() + session_->options.door_timeout;
  for (;;) {
    const std::vector<catalog::SessionEntry> sessions = catalog::read_sessions(*admin_, oids);
    if (sessions.empty()) return;
    if (std::chrono::steady_clock::now() > deadline) {
      throw Error(ExitCode::refused,
                  "sessions of " + printable(journal_.live) + " do not end: " + list(sessions))
          .with_hint("end them yourself, or run the restore as a superuser of PostgreSQL");
    }
    catalog::end_sessions(*admin_, sessions);
    std::this_thread::sleep_for(10ms);
  }
}

void Swap::try_exchange() {
  const Journal& j = journal_;
  postgres::Transaction transaction(*admin_, "");
  if (j.live_oid != 0) {
    if (j.operation != "rollback") catalog::copy_access(*admin_, j.live, j.staging);
    catalog::rename_database(*admin_, j.live, j.kept);
    const Marker kept{Marker::Kind::kept, j.run, j.live, j.snapshot, session_->began, j.live_comment};
    catalog::set_database_comment(*admin_, j.kept, to_comment(kept));
  }
  catalog::rename_database(*admin_, j.staging, j.live);
  catalog::set_database_comment(*admin_, j.live, comment_when_live(j));
  catalog::allow_connections(*admin_, j.live, true);
  transaction.commit();
}

void Swap::exchange_names() {
  write_step(Step::swapping);
  units_.confirm_down(journal_.units);
  try {
    try_exchange();
  } catch (const Error& error) {
    if (error.code() != ExitCode::cannot_connect) throw;
    // The connection was lost: whether the COMMIT arrived, only the OIDs can tell.
    admin_ = reopen_admin(session_->settings(), session_->database, server_patience);
    if (where_names_stand(*admin_, journal_) != Names::swapped) throw;
  }
  if (where_names_stand(*admin_, journal_) != Names::swapped) {
    throw Error(ExitCode::internal, "the names of the databases are not what the swap made them");
  }
}

void Swap::bring_up() {
  write_step(Step::starting);
  units_.bring_up(journal_.units, Units::Data::restored);
  down_seconds_ = units_.seconds_down();
  units_.watch([&] { return live_database_answers(); });
  units_.announce_start();
}

bool Swap::live_database_answers() {
  try {
    Connection connection = Connection::open(session_->settings().with_database(journal_.live));
    connection.query("SELECT 1");
    return true;
  } catch (const Error& error) {
    session_->reporter.detail(error.message());
    return false;
  }
}

// From here on the restore has succeeded: what fails now is worth a warning, not a way back.
void Swap::finish() {
  const auto open_kept = [&] {
    if (journal_.live_oid != 0) catalog::allow_connections(*admin_, journal_.kept, true);
  };
  try {
    try {
      open_kept();
    } catch (const Error& error) {
      if (error.code() != ExitCode::cannot_connect) throw;
      // The server restarted while the service was watched.
      admin_ = reopen_admin(session_->settings(), session_->database, server_patience);
      open_kept();
    }
  } catch (const Error& error) {
    session_->reporter.warning("the kept database " + printable(journal_.kept) +
                               " still allows no connections (" + error.message() + ")");
  }
  forget_journal(*session_);
}

void Swap::undo_exchange() {
  const Journal& j = journal_;
  postgres::Transaction transaction(*admin_, "");
  catalog::rename_database(*admin_, j.live, j.staging);
  if (j.operation == "rollback") {
    catalog::set_database_comment(*admin_, j.staging, j.staging_comment);
  } else {
    const Marker rejected{Marker::Kind::rejected, j.run, j.live, j.snapshot, session_->began, {}};
    catalog::set_database_comment(*admin_, j.staging, to_comment(rejected));
  }
  if (j.live_oid != 0) {
    catalog::rename_database(*admin_, j.kept, j.live);
    catalog::set_database_comment(*admin_, j.live, j.live_comment);
    catalog::allow_connections(*admin_, j.live, true);
  }
  transaction.commit();
}

void Swap::open_doors() {
  for (const std::uint32_t oid : {journal_.live_oid, journal_.staging_oid}) {
    const auto entry = oid == 0 ? std::nullopt : catalog::find_database(*admin_, oid);
    if (entry && !entry->allows_connections) catalog::allow_connections(*admin_, entry->name, true);
  }
}

// Sets `was_live` when the new database had been live. Throws what keeps the old one from being put back.
void Swap::put_back(const Error& cause, bool& was_live) {
  admin_ = reopen_admin(session_->settings(), session_->database, server_patience);
  const Names names = where_names_stand(*admin_, journal_);
  if (names == Names::unclear)
    throw Error(ExitCode::needs_person, "the databases do not have the names they should have");
  was_live = names == Names::swapped || journal_.step == Step::undoing;
  if (names == Names::swapped) {
    session_->reporter.note("going back to the old database: " + cause.message());
    write_step(Step::undoing);
    units_.take_down(journal_.units);
    catalog::allow_connections(*admin_, journal_.live, false);
    if (journal_.live_oid != 0) catalog::allow_connections(*admin_, journal_.kept, false);
    end_all_sessions();
    try {
      undo_exchange();
    } catch (const Error& error) {
      if (error.code() != ExitCode::cannot_connect) throw;
      admin_ = reopen_admin(session_->settings(), session_->database, server_patience);
      if (where_names_stand(*admin_, journal_) != Names::unswapped) throw;
    }
  }
  open_doors();
  try {
    units_.bring_up(journal_.units, Units::Data::present);
  } catch (const Error& error) {
    // A unit that is free and does not start on its own data either is for its owner to mend, not for
    // --abort.
    if (!units_.are_free(journal_.units)) throw;
    left_down_ = error;
  }
  forget_journal(*session_);
}

// A server that restarts, or ends our session, on the way back is met again: every step of it may be done
// twice.
void Swap::put_back_for_certain(const Error& cause, bool& was_live) {
  const auto deadline = std::chrono::steady_clock::now() + server_patience;
  for (;;) {
    try {
      put_back(cause, was_live);
      return;
    } catch (const Error& second) {
      const bool lost = second.code() == ExitCode::cannot_connect;
      if (!lost || std::chrono::steady_clock::now() > deadline) give_up(cause, second);
    }
  }
}

void Swap::go_back(const Error& cause) {
  if (journal_.step == Step::staging) throw Error(cause);  // nothing had been done yet
  bool was_live = false;
  put_back_for_certain(cause, was_live);
  Error error = cause;
  if (was_live) error.with_code(ExitCode::rolled_back).with_context("the restore was taken back");
  error.with_state(live_state() + (was_live && journal_.operation != "rollback"
                                       ? "; the restored data is beside it in " + printable(journal_.staging)
                                       : ""));
  if (left_down_) error.with_hint(left_down_->hint());
  if (error.hint().empty() && !journal_.units.empty()) {
    error.with_hint("see why: " + units_.advice(journal_.units.front().name).log);
  }
  throw error;
}

std::string Swap::quoted(const std::string& name) const {
  std::string out = "\"";
  for (const char c : name) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::string Swap::live_state() const {
  std::string running;
  for (const UnitRecord& unit : journal_.units) {
    if (unit.was_active) running += (running.empty() ? "" : ", ") + printable(unit.name);
  }
  return (journal_.live_oid == 0 ? "there is no database " + printable(journal_.live) + ", as before"
                                 : printable(journal_.live) + " holds the data from before") +
         (left_down_        ? "; but " + left_down_->message()
          : running.empty() ? ""
                            : "; " + running + " runs on it again");
}

std::string Swap::manual_steps(Names names) const {
  const Journal& j = journal_;
  std::string out;
  for (const UnitRecord& unit : j.units) out += "\n  " + units_.advice(unit.name).stop;
  out += "\n  psql -d postgres, then:";
  if (names != Names::unswapped) {
    out += "\n    BEGIN; ALTER DATABASE " + quoted(j.live) + " RENAME TO " + quoted(j.staging) + ";";
    if (j.live_oid != 0) out += " ALTER DATABASE " + quoted(j.kept) + " RENAME TO " + quoted(j.live) + ";";
    out += " COMMIT;";
  }
  if (j.live_oid != 0) out += "\n    ALTER DATABASE " + quoted(j.live) + " ALLOW_CONNECTIONS true;";
  for (const UnitRecord& unit : j.units) out += "\n  " + units_.advice(unit.name).start;
  return out;
}

void Swap::give_up(const Error& cause, const Error& second) {
  Names names = Names::unclear;
  try {
    admin_ = reopen_admin(session_->settings(), session_->database, 5s);
    names = where_names_stand(*admin_, journal_);
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch): the server does not answer; the advice says what
                            // is not known
  }
  const std::string where =
      names == Names::unswapped ? printable(journal_.live) + " holds the data from before"
      : names == Names::swapped
          ? printable(journal_.live) + " holds the restored data, the old is in " + printable(journal_.kept)
          : "the server does not tell which database has which name";
  throw Error(ExitCode::needs_person,
              "the restore failed (" + cause.message() + "), and so did going back: " + second.message())
      .with_state(where + "; the service may be stopped; nothing was dropped")
      .with_hint("once the server and systemd answer again: teslamate-restore --abort; or by hand:" +
                 manual_steps(names));
}

std::string Swap::recover() {
  admin_ = reopen_admin(session_->settings(), session_->database, server_patience);
  const Names names = where_names_stand(*admin_, journal_);
  const std::string live = printable(journal_.live);
  if (names == Names::unclear) {
    give_up(Error(ExitCode::needs_person, "a restore died at the step " + name_of(journal_.step)),
            Error(ExitCode::needs_person, "the databases do not have the names that it gave them"));
  }
  const bool forward = names == Names::swapped && journal_.step != Step::undoing;
  try {
    if (forward) {
      bring_up();
      finish();
      return "finished the restore that had been interrupted: " + live + " holds the restored data" +
             (journal_.live_oid != 0 ? ", the old data is kept in " + printable(journal_.kept) : "");
    }
  } catch (const Error& error) {
    go_back(error);
  }
  bool was_live = false;
  const Error interrupted(ExitCode::interrupted, "an earlier run was interrupted");
  put_back_for_certain(interrupted, was_live);
  if (left_down_) throw Error(*left_down_).with_state("the interrupted restore was undone: " + live_state());
  return "undid the restore that had been interrupted: " + live_state();
}

}  // namespace tmb::restore
