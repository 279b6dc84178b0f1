// SPDX-License-Identifier: MIT
#include "restore/in_place.hh"

#include <optional>

#include "base/error.hh"
#include "catalog/reader.hh"
#include "catalog/staging.hh"
#include "restore/check.hh"
#include "restore/schema.hh"
#include "restore/units.hh"

namespace tmb::restore {

using base::Error;
using base::ExitCode;
using base::printable;
using postgres::Connection;
using repository::Manifest;

namespace {

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

// All of it in one transaction. A COMMIT whose answer was lost is looked up.
void replace_in_transaction(Session& s, const repository::BackupSource& source, const SchemaArchive& archive,
                            const Target& t) {
  Connection connection = Connection::open(s.settings().with_database(s.database), s.stop);
  postgres::Transaction transaction(connection, "");
  const std::string id = catalog::current_transaction(connection);
  std::vector<catalog::SessionEntry> others = catalog::read_sessions(s.admin, {t.live->oid});
  std::erase_if(others,
                [&](const catalog::SessionEntry& other) { return other.pid == connection.backend_pid(); });
  catalog::end_sessions(s.admin, others);
  replace_content(s, source, archive, connection);
  try {
    transaction.commit();
  } catch (const Error& error) {
    if (error.code() != ExitCode::cannot_connect) throw;
    Connection again = reopen_admin(s.settings(), s.database, std::chrono::seconds(60));
    if (!catalog::is_committed(again, id)) throw;
  }
}

Journal begin_journal(const Session& s, const Target& t, const std::vector<UnitRecord>& units) {
  Journal j;
  j.run = s.run;
  j.operation = "in-place";
  j.step = Step::stopping;
  j.system_identifier = s.system_identifier;
  j.live = s.database;
  j.live_oid = t.live->oid;
  j.units = units;
  return j;
}

}  // namespace

Outcome restore_in_place(Session& s, const repository::BackupSource& source, const Target& t) {
  if (!t.live) {
    throw Error(ExitCode::not_found, "there is no database " + printable(s.database) + " to restore into")
        .with_hint("create it first, or restore without --in-place");
  }
  const std::string before = s.adapters.take_snapshot();
  s.reporter.note("the present state is in snapshot " + before);
  repository::Workspace workspace;
  std::string schema;
  source.read(repository::ObjectType::schema, source.manifest().schema, workspace, schema);
  const SchemaArchive archive(schema, t.tools, s.settings());

  std::vector<UnitRecord> units = t.units;
  Units service(s.adapters.services, s.options, s.reporter);
  service.look(units);
  service.announce_stop();
  s.journal.write(begin_journal(s, t, units));
  const auto down_since = std::chrono::steady_clock::now();
  std::optional<Error> failure;
  try {
    service.take_down(units);
    replace_in_transaction(s, source, archive, t);
  } catch (const Error& error) {
    failure = error;
  }
  service.bring_up(units, failure ? Units::Data::present : Units::Data::restored);
  const double down = std::chrono::duration<double>(std::chrono::steady_clock::now() - down_since).count();
  s.journal.remove();
  if (failure)
    throw Error(*failure).with_state("the transaction was undone; " + printable(s.database) +
                                     " holds the data from before");
  try {
    service.watch([] { return true; });
    service.announce_start();
  } catch (Error& error) {
    error.with_state(printable(s.database) + " holds the restored data")
        .with_hint("go back with: teslamate-restore --in-place " + before);
    throw;
  }
  Outcome out;
  out.operation = "in-place";
  out.snapshot = source.manifest().id;
  out.title = "snapshot " + out.snapshot;
  out.rows = source.manifest().rows();
  out.tables = source.manifest().tables.size();
  out.live_database = s.database;
  out.loaded_database = s.database;
  out.down_seconds = down;
  return out;
}

}  // namespace tmb::restore
