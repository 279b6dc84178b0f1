// SPDX-License-Identifier: MIT
#include "restore/in_place.hh"

#include <chrono>
#include <functional>
#include <optional>
#include <thread>

#include "base/error.hh"
#include "catalog/reader.hh"
#include "catalog/relations.hh"
#include "catalog/staging.hh"
#include "restore/check.hh"
#include "restore/schema.hh"
#include "restore/units.hh"
#include "teslamate/commit.hh"

namespace tmb::restore {

using base::Error;
using base::ExitCode;
using base::printable;
using catalog::TransactionEnd;
using postgres::Connection;
using repository::Manifest;

namespace {

constexpr std::chrono::seconds server_patience{60};  // for a server that restarts under us

void load_table(Connection& connection, const repository::BackupSource& source,
                const repository::TableData& table, repository::Workspace& workspace, std::string& content) {
  std::uint64_t stored = 0;
  for (const repository::Chunk& chunk : table.chunks) {
    if (chunk.rows == 0) continue;
    connection.begin_copy_in(catalog::copy_in_statement(connection, table.schema, table.name, table.columns));
    for (const repository::ObjectRef& ref : chunk.objects) {
      source.read(repository::ObjectType::rows, ref, workspace, content);
      connection.send_copy_data(content);
    }
    stored += connection.finish_copy_in();
  }
  if (stored != table.rows || catalog::count_rows(connection, table.schema, table.name) != table.rows) {
    throw Error(ExitCode::damaged, "the loaded table " + printable(table.schema + "." + table.name) +
                                       " does not have the snapshot's " + std::to_string(table.rows) +
                                       " rows");
  }
}

// Drops what the snapshot would collide with, then loads it: nothing of it is seen by anyone before the
// COMMIT.
void replace_content(Session& s, const repository::BackupSource& source, const SchemaArchive& archive,
                     Connection& connection) {
  const Manifest& m = source.manifest();
  const int version = connection.server_version();
  catalog::drop_user_content(connection);
  connection.execute(archive.sql(Section::pre_data, s.settings(), version, false, s.stop));
  repository::Workspace workspace;
  std::string content;
  s.reporter.begin_phase("loading", s.database, m.rows(), report::Unit::rows);
  std::uint64_t rows = 0;
  for (const repository::TableData& table : m.tables) {
    load_table(connection, source, table, workspace, content);
    s.reporter.progress(rows += table.rows);
  }
  s.reporter.end_phase(report::counted(rows, "row", "rows"));
  for (const repository::SequenceState& q : m.sequences) {
    catalog::set_sequence(connection, {q.schema, q.name, q.last_value, q.is_called});
  }
  connection.execute(archive.sql(Section::post_data, s.settings(), version, false, s.stop));
  for (const std::string& view : m.materialized_views) catalog::refresh_materialized_view(connection, view);
  check_content(s, m, connection);
}

Journal begin_journal(const Session& s, const Target& t, const std::string& snapshot) {
  Journal j;
  j.run = s.run;
  j.operation = "in-place";
  j.system_identifier = s.system_identifier;
  j.live = s.database;
  j.live_oid = t.live->oid;
  j.snapshot = snapshot;
  j.units = t.units;
  return j;
}

// How the transaction of a run that died ended; it is made to end where it has not.
TransactionEnd end_of(Session& s, const Journal& j) {
  if (j.transaction.empty()) return TransactionEnd::aborted;  // COMMIT was not sent yet
  const auto deadline = std::chrono::steady_clock::now() + server_patience;
  for (;;) {
    s.admin = reopen_admin(s.settings(), s.database, server_patience);
    const TransactionEnd end = catalog::read_transaction_end(s.admin, j.transaction);
    if (end != TransactionEnd::running || std::chrono::steady_clock::now() > deadline) return end;
    catalog::end_transaction(s.admin, j.transaction);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

// The replacement and the service around it. The journal says which transaction, so that whoever finds this
// run dead can ask the server what became of it.
class InPlace {
 public:
  // Loads what is wanted, inside the transaction that this connection is in.
  using Replace = std::function<void(Connection&)>;

  InPlace(Session& session, Journal journal)
      : session_(session),
        journal_(std::move(journal)),
        units_(session.adapters.services, session.options, session.reporter) {}

  // Returns the seconds of the outage.
  double run(const Replace& replace) {
    units_.look(journal_.units);
    units_.announce_stop();
    write_step(Step::stopping);
    try {
      units_.take_down(journal_.units);
      replace_in_transaction(replace);
    } catch (const Error& error) {
      if (in_doubt_) throw;
      go_back(error);
    } catch (const std::exception& error) {
      go_back(Error(ExitCode::internal, error.what()));
    }
    finish();
    return down_seconds_;
  }

  std::string recover() {
    switch (end_or_unknown()) {
      case TransactionEnd::committed:
        finish();
        return "finished the restore in place that had been interrupted: " + live() +
               " holds the restored data; " + before();
      case TransactionEnd::aborted: {
        const std::optional<Error> left_down = free_units();
        if (left_down)
          throw Error(*left_down).with_state("the interrupted restore was undone: " + untouched(left_down));
        return "undid the restore in place that had been interrupted: " + untouched(left_down);
      }
      case TransactionEnd::running:
      case TransactionEnd::unknown: break;
    }
    throw unknown();
  }

 private:
  TransactionEnd end_or_unknown() {
    try {
      return end_of(session_, journal_);
    } catch (const Error& error) {
      session_.reporter.note(error.message());
      return TransactionEnd::unknown;
    }
  }

  void write_step(Step step) {
    journal_.step = step;
    session_.journal.write(journal_);
  }

  // From the locks on nobody writes behind the snapshot's back: what it does not have cannot be lost.
  void replace_in_transaction(const Replace& replace) {
    const auto settings = session_.settings().with_database(session_.database);
    Connection connection = Connection::open(settings, session_.stop);
    connection.execute("SET synchronous_commit = local");
    catalog::limit_lock_waits(connection, static_cast<int>(session_.options.door_timeout.count()));
    postgres::Transaction transaction(connection, "");
    end_others(connection);
    const std::vector<std::string> tables = catalog::lock_against_writes(connection);
    journal_.before = session_.adapters.take_snapshot();
    session_.reporter.note("the present state is in snapshot " + journal_.before);
    end_others(connection);
    if (catalog::lock_against_writes(connection) != tables) {
      throw Error(ExitCode::refused, "tables of " + live() + " were made or renamed meanwhile")
          .with_hint("run the same command again");
    }
    replace(connection);
    units_.confirm_down(journal_.units);
    // Only now, with its rows written: a crash of the server could give a fresh id to another.
    journal_.transaction = catalog::current_transaction(connection);
    write_step(Step::swapping);
    const Error in_doubt = unknown();
    try {
      teslamate::commit(transaction, connection, settings, journal_.transaction, in_doubt, server_patience);
    } catch (const Error& error) {
      in_doubt_ = error.code() == ExitCode::needs_person;
      throw;
    }
  }

  void end_others(const Connection& connection) {
    std::vector<catalog::SessionEntry> others = catalog::read_sessions(session_.admin, {journal_.live_oid});
    std::erase_if(others, [&](const auto& other) { return other.pid == connection.backend_pid(); });
    catalog::end_sessions(session_.admin, others);
  }

  // The restored data is there for good; what fails from here on is the service.
  void finish() {
    try {
      start_restored();
    } catch (const Error& error) {
      throw with_restored_state(error);
    } catch (const std::exception& error) {
      throw with_restored_state(Error(ExitCode::internal, error.what()));
    }
  }

  void start_restored() {
    try {
      units_.bring_up(journal_.units, Units::Data::restored);
    } catch (const Error&) {
      // Held units are for --abort to free.
      if (units_.are_free(journal_.units)) forget_journal(session_);
      throw;
    }
    down_seconds_ = units_.seconds_down();
    forget_journal(session_);
    units_.watch([] { return true; });
    units_.announce_start();
  }

  Error with_restored_state(Error error) const {
    const std::string own = error.hint().empty() ? "" : error.hint() + "; ";
    return error.with_state(live() + " holds the restored data; " + before())
        .with_hint(own + "or go back with: teslamate-restore --in-place " + journal_.before);
  }

  // The units run on the data from before, or it is said why not. Throws needs_person when they are still
  // held; the journal then stays.
  std::optional<Error> free_units() {
    std::optional<Error> left_down;
    try {
      units_.bring_up(journal_.units, Units::Data::present);
    } catch (const Error& error) {
      if (!units_.are_free(journal_.units)) {
        throw Error(ExitCode::needs_person, "the service could not be started again: " + error.message())
            .with_state(live() + " holds the data from before; the service may be stopped")
            .with_hint("once systemd answers again: teslamate-restore --abort");
      }
      left_down = error;
    }
    forget_journal(session_);
    return left_down;
  }

  [[noreturn]] void go_back(const Error& cause) {
    Error error = cause;
    std::optional<Error> left_down;
    try {
      left_down = free_units();
    } catch (Error& second) {
      throw Error(second.with_context("the restore failed (" + cause.message() + ")"));
    }
    error.with_state("nothing was changed; " + untouched(left_down));
    if (left_down) error.with_hint(left_down->hint());
    throw error;
  }

  Error unknown() const {
    return Error(ExitCode::needs_person, "the server does not say whether the restore in place took place")
        .with_state(live() + " holds either the restored data or that from before; " + before() +
                    "; the service is stopped")
        .with_hint("once the server answers again: teslamate-restore --abort");
  }

  std::string live() const { return printable(session_.database); }
  std::string before() const { return "what was there before is in snapshot " + journal_.before; }
  std::string untouched(const std::optional<Error>& left_down) const {
    return live() + " holds the data from before" + (left_down ? "; but " + left_down->message() : "");
  }

  Session& session_;
  Journal journal_;
  Units units_;
  bool in_doubt_ = false;  // whether COMMIT took place is not known
  double down_seconds_ = 0;
};

}  // namespace

Outcome restore_in_place(Session& s, const repository::BackupSource& source, const Target& t) {
  if (!t.live) {
    throw Error(ExitCode::not_found, "there is no database " + printable(s.database) + " to restore into")
        .with_hint("create it first, or restore without --in-place");
  }
  repository::Workspace workspace;
  std::string schema;
  source.read(repository::ObjectType::schema, source.manifest().schema, workspace, schema);
  const SchemaArchive archive(schema, t.tools, s.settings());
  InPlace work(s, begin_journal(s, t, source.manifest().id));
  Outcome out;
  out.down_seconds =
      work.run([&](Connection& connection) { replace_content(s, source, archive, connection); });
  out.operation = "in-place";
  out.snapshot = source.manifest().id;
  out.title = "snapshot " + out.snapshot;
  out.rows = source.manifest().rows();
  out.tables = source.manifest().tables.size();
  out.live_database = s.database;
  out.loaded_database = s.database;
  return out;
}

std::string recover_in_place(Session& session, const Journal& journal) {
  return InPlace(session, journal).recover();
}

}  // namespace tmb::restore
