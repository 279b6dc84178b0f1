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

void load_table(Connection& connection, const repository::BackupSource& source, const repository::TableData& table,
                repository::Workspace& workspace, std::string& content) {
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
    throw Error(ExitCode::damaged, "the loaded table " + printable(table.schema + "." + table.name) + " does not have the snapshot's " +
                                       std::to_string(table.rows) + " rows");
  }
}

// Drops what the snapshot would collide with, then loads it: nothing of it is seen by anyone before the COMMIT.
void replace_content(Session& s, const repository::BackupSource& source, const SchemaArchive& archive, Connection& connection) {
  const Manifest& m = source.manifest();
  const int version = connection.server_version();
  postgres::Transaction transaction(connection, "");
  catalog::drop_user_content(connection);
  connection.execute(archive.sql(Section::pre_data, s.settings(), version, s.stop));
  catalog::pin_after_script(connection);
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
  connection.execute(archive.sql(Section::post_data, s.settings(), version, s.stop));
  catalog::pin_after_script(connection);
  for (const std::string& view : m.materialized_views) catalog::refresh_materialized_view(connection, view);
  check_content(s, m, connection);
  transaction.commit();
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
  Journal journal;
  journal.run = s.run;
  journal.operation = "in-place";
  journal.step = Step::stopping;
  journal.system_identifier = s.system_identifier;
  journal.live = s.database;
  journal.live_oid = t.live->oid;
  journal.units = units;
  s.journal.write(journal);
  const auto down_since = std::chrono::steady_clock::now();
  std::optional<Error> failure;
  try {
    service.take_down(units);
    Connection connection = Connection::open(s.settings().with_database(s.database), s.stop);
    catalog::end_sessions(s.admin, catalog::read_sessions(s.admin, {t.live->oid}, connection.backend_pid()));
    replace_content(s, source, archive, connection);
  } catch (const Error& error) {
    failure = error;
  }
  service.bring_up(units);
  s.journal.remove();
  if (failure) throw Error(*failure).with_state("the transaction was undone; " + printable(s.database) + " holds the data from before");
  service.watch(units, [] { return true; });
  Outcome out;
  out.operation = "in-place";
  out.snapshot = source.manifest().id;
  out.rows = source.manifest().rows();
  out.tables = source.manifest().tables.size();
  out.live_database = s.database;
  out.loaded_database = s.database;
  out.down_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - down_since).count();
  return out;
}

}  // namespace tmb::restore
