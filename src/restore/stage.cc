// SPDX-License-Identifier: MIT
#include "restore/stage.hh"

#include <algorithm>
#include <atomic>

#include "base/error.hh"
#include "base/workers.hh"
#include "catalog/staging.hh"
#include "restore/marker.hh"
#include "restore/post_data.hh"
#include "restore/row_copy.hh"
#include "restore/schema.hh"

namespace tmb::restore {

using base::Error;
using base::ExitCode;
using base::printable;
using postgres::Connection;
using repository::Manifest;

namespace {

// One chunk of one table: a COPY of its own, so that every worker is busy to the end.
struct Task {
  const repository::TableData* table;
  const repository::Chunk* chunk;
};

std::vector<Task> tasks_of(const Manifest& manifest) {
  std::vector<const repository::TableData*> tables;
  for (const repository::TableData& table : manifest.tables) tables.push_back(&table);
  std::stable_sort(tables.begin(), tables.end(),
                   [](const auto* a, const auto* b) { return a->rows > b->rows; });
  std::vector<Task> out;
  for (const repository::TableData* table : tables) {
    for (const repository::Chunk& chunk : table->chunks) {
      if (chunk.rows > 0) out.push_back({table, &chunk});
    }
  }
  return out;
}

// What one worker loads with.
class Loader {
 public:
  Loader(Connection& connection, const repository::BackupSource& source)
      : source_(source), copy_(connection) {}

  // Throws damaged when the database stores another number of rows than the chunk has.
  void load(const Task& task) {
    const repository::TableData& table = *task.table;
    try {
      if (table_ != &table) copy_.choose(table.schema, table.name, table.columns);
      table_ = &table;
      std::uint64_t stored = 0;
      for (const repository::ObjectRef& ref : task.chunk->objects) {
        source_.read(repository::ObjectType::rows, ref, workspace_, text_);
        stored += send();
      }
      if (stored != task.chunk->rows) {
        throw Error(ExitCode::damaged, "the database stored " + std::to_string(stored) +
                                           " rows of a chunk that has " + std::to_string(task.chunk->rows));
      }
    } catch (Error& error) {
      error.with_context("loading the table " + printable(table.schema + "." + table.name));
      throw;
    }
  }

 private:
  // Whole rows of about this many bytes are one COPY: the binary form needs as much memory again.
  static constexpr std::size_t slice = std::size_t{2} << 20U;

  std::uint64_t send() {
    std::uint64_t stored = 0;
    for (std::string_view rest = text_; !rest.empty();) {
      std::size_t end = rest.size() <= slice ? rest.size() : rest.rfind('\n', slice - 1) + 1;
      if (end == 0) end = std::min(rest.find('\n', slice), rest.size() - 1) + 1;
      stored += copy_.send(rest.substr(0, end));
      rest.remove_prefix(end);
    }
    return stored;
  }

  const repository::BackupSource& source_;
  RowCopy copy_;
  const repository::TableData* table_ = nullptr;
  repository::Workspace workspace_;
  std::string text_;
};

void load_rows(Session& s, const repository::BackupSource& source, const StagingDatabase& staging,
               unsigned jobs) {
  const std::vector<Task> tasks = tasks_of(source.manifest());
  s.reporter.begin_phase("loading", staging.name(), source.manifest().rows(), report::Unit::rows);
  std::atomic<std::size_t> next{0};
  std::atomic<std::uint64_t> rows{0};
  const auto useful = static_cast<unsigned>(std::clamp<std::size_t>(tasks.size(), 1, jobs));
  base::run_workers(useful, s.stop, [&](const std::stop_token& stop) {
    Connection connection = Connection::open(staging.settings(), stop);
    catalog::prepare_for_loading(connection);
    Loader loader(connection, source);
    for (std::size_t i = next++; i < tasks.size(); i = next++) {
      loader.load(tasks[i]);
      s.reporter.progress(rows += tasks[i].chunk->rows);
    }
  });
  s.reporter.end_phase(report::counted(rows, "row", "rows"));
}

void finish_schema(Session& s, const SchemaArchive& archive, const Manifest& manifest, const Target& t,
                   const StagingDatabase& staging, unsigned jobs) {
  s.reporter.begin_phase("indexing", staging.name(), 0, report::Unit::items);
  if (t.tool_connects) {
    restore_post_data(s, archive, manifest, staging.settings(), jobs);
  } else {
    Connection connection = Connection::open(staging.settings(), s.stop);
    connection.execute(
        archive.sql(Section::post_data, staging.settings(), connection.server_version(), true, s.stop));
  }
  s.reporter.end_phase("indexes and constraints are there");
}

void prepare_schema(Session& s, const SchemaArchive& archive, const Target& t,
                    const StagingDatabase& staging) {
  if (t.tool_connects) {
    archive.restore(Section::pre_data, staging.settings(), 1, "-c synchronous_commit=off", s.stop);
  } else {
    Connection connection = Connection::open(staging.settings(), s.stop);
    connection.execute(
        archive.sql(Section::pre_data, staging.settings(), connection.server_version(), true, s.stop));
  }
}

void restore_sequences(const Manifest& manifest, Connection& connection) {
  for (const repository::SequenceState& q : manifest.sequences) {
    catalog::set_sequence(connection, {q.schema, q.name, q.last_value, q.is_called});
  }
}

}  // namespace

StagingDatabase::StagingDatabase(Session& session, const Target& target, const std::string& snapshot)
    : session_(&session), name_(target.staging) {
  try {
    make(target);
  } catch (const Error& error) {
    // When the answer was lost, the server may still make it: then the journal has to know its name.
    if (error.code() != ExitCode::cannot_connect) forget();
    throw;
  }
  try {
    oid_ = catalog::find_database(session.admin, name_).value().oid;
    // The lock before the mark: whoever sees the mark finds the lock taken for as long as we live.
    catalog::try_session_lock(session.admin, catalog::staging_lock, oid_);
    const Marker marker{Marker::Kind::staging, session.run, session.database, snapshot, session.began, {}};
    catalog::set_database_comment(session.admin, name_, to_comment(marker));
  } catch (...) {
    drop();
    throw;
  }
}

StagingDatabase::~StagingDatabase() { drop(); }

void StagingDatabase::make(const Target& target) {
  try {
    catalog::create_database(session_->admin, name_, target.facts, target.tablespace);
  } catch (postgres::DatabaseError& error) {
    // A locale of the C library, one of ICU.
    const bool of_locale = error.sqlstate() == "42809" || error.sqlstate() == "22023";
    if (of_locale && error.hint().empty())
      error.with_hint("make that locale where the server runs (Debian: locale-gen), and restart the server");
    throw;
  }
}

// For a database that was never made. One that is there all the same is somebody else's.
void StagingDatabase::forget() noexcept {
  try {
    Connection admin = reopen_admin(session_->settings(), session_->database, std::chrono::seconds(20));
    if (!catalog::find_database(admin, name_)) session_->journal.remove();
  } catch (const Error& error) {
    session_->reporter.detail(error.message());
  }
}

void StagingDatabase::drop() noexcept {
  if (session_ == nullptr) return;
  try {
    Connection admin = reopen_admin(session_->settings(), session_->database, std::chrono::seconds(20));
    // By its mark, not by its name alone: what has been live, for however short a time, carries another one.
    const auto entry = catalog::find_database(admin, name_);
    const auto marker = entry ? parse_marker(entry->comment) : std::nullopt;
    const bool unmarked = entry && !entry->comment && (oid_ == 0 || entry->oid == oid_);
    const bool marked = marker && marker->kind == Marker::Kind::staging && marker->run == session_->run;
    if (unmarked || marked) catalog::drop_database(admin, name_);
    session_->journal.remove();
  } catch (const Error& error) {
    session_->reporter.warning("could not remove " + printable(name_) + " (" + error.message() +
                               "); the next restore does, or: teslamate-restore --abort");
  }
  session_ = nullptr;
}

void load(Session& s, const repository::BackupSource& source, const Target& target,
          const StagingDatabase& staging) {
  const unsigned jobs = base::worker_count(s.options.jobs);
  repository::Workspace workspace;
  std::string content;
  source.read(repository::ObjectType::schema, source.manifest().schema, workspace, content);
  const SchemaArchive archive(content, target.tools, s.settings());
  prepare_schema(s, archive, target, staging);
  load_rows(s, source, staging, jobs);
  finish_schema(s, archive, source.manifest(), target, staging, jobs);
  Connection connection = Connection::open(staging.settings(), s.stop);
  catalog::prepare_for_loading(connection);
  catalog::silence_triggers(connection);
  restore_sequences(source.manifest(), connection);
  for (const std::string& view : source.manifest().materialized_views) {
    catalog::refresh_materialized_view(connection, view);
  }
}

}  // namespace tmb::restore
