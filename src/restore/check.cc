// SPDX-License-Identifier: MIT
#include "restore/check.hh"

#include <algorithm>
#include <atomic>

#include "base/error.hh"
#include "base/workers.hh"
#include "catalog/reader.hh"
#include "catalog/staging.hh"
#include "restore/vault_check.hh"

namespace tmb::restore {

using base::Error;
using base::ExitCode;
using base::printable;
using postgres::Connection;
using repository::Manifest;

namespace {

void check_rows(const Session& s, Connection& connection, const repository::TableData& table) {
  const std::uint64_t rows = catalog::count_rows(connection, table.schema, table.name);
  if (rows == table.rows) return;
  throw Error(ExitCode::damaged, "the loaded table " + printable(table.schema + "." + table.name) + " has " +
                                     std::to_string(rows) + " rows, the " + s.word + " has " +
                                     std::to_string(table.rows));
}

// Counting and gathering statistics of all tables, the biggest first, over all workers.
void check_tables(Session& s, const Manifest& manifest, const StagingDatabase& staging, unsigned jobs) {
  std::vector<const repository::TableData*> tables;
  for (const repository::TableData& table : manifest.tables) tables.push_back(&table);
  std::stable_sort(tables.begin(), tables.end(),
                   [](const auto* a, const auto* b) { return a->rows > b->rows; });
  std::atomic<std::size_t> next{0};
  base::run_workers(jobs, s.stop, [&](const std::stop_token& stop) {
    Connection connection = Connection::open(staging.settings(), stop);
    catalog::prepare_for_loading(connection);
    for (std::size_t i = next++; i < 2 * tables.size(); i = next++) {
      const repository::TableData& table = *tables[i / 2];
      if (i % 2 == 0) {
        catalog::analyze_table(connection, table.schema, table.name);
      } else {
        check_rows(s, connection, table);
      }
      s.reporter.progress(i / 2);
    }
  });
}

void check_sequences(const Session& s, Connection& connection, const Manifest& manifest) {
  const std::vector<catalog::Sequence> found = catalog::read_sequences(connection);
  for (const repository::SequenceState& wanted : manifest.sequences) {
    const auto it = std::find_if(found.begin(), found.end(), [&](const catalog::Sequence& q) {
      return q.schema == wanted.schema && q.name == wanted.name;
    });
    if (it == found.end() || it->last_value != wanted.last_value || it->is_called != wanted.is_called) {
      throw Error(ExitCode::damaged, "the loaded sequence " + printable(wanted.schema + "." + wanted.name) +
                                         " does not stand where the " + s.word + " says");
    }
  }
}

// Of an archive of pg_dump only the sum is known. Its tables are analysed on the way.
void check_dump_rows(Session& s, Connection& connection, const Manifest& manifest) {
  std::uint64_t rows = 0;
  for (const catalog::Table& table : catalog::read_tables(connection)) {
    rows += catalog::count_rows(connection, table.schema, table.name);
    catalog::analyze_table(connection, table.schema, table.name);
  }
  if (rows == manifest.dump_rows) return;
  throw Error(ExitCode::damaged, "the loaded tables have " + std::to_string(rows) + " rows, but the " +
                                     s.word + " has " + std::to_string(manifest.dump_rows));
}

void check_tables_are_all(const Session& s, Connection& connection, const Manifest& manifest) {
  for (const catalog::Table& table : catalog::read_tables(connection)) {
    if (manifest.find_table(table.schema, table.name) == nullptr) {
      throw Error(ExitCode::damaged, "the " + s.word + "'s schema makes a table " +
                                         printable(table.schema + "." + table.name) + ", but the " + s.word +
                                         " has no rows for it");
    }
  }
}

void check_extensions(const Session& s, Connection& connection, const Manifest& manifest) {
  const std::vector<catalog::Extension> found = catalog::read_extensions(connection);
  for (const repository::ExtensionInfo& wanted : manifest.extensions) {
    const auto it = std::find_if(found.begin(), found.end(),
                                 [&](const catalog::Extension& e) { return e.name == wanted.name; });
    if (it == found.end())
      throw Error(ExitCode::damaged,
                  "the " + s.word + "'s schema did not make its extension " + printable(wanted.name));
    if (compare_versions(it->version, wanted.version) < 0) {
      throw Error(ExitCode::unsupported, "the extension " + printable(wanted.name) + " is " + it->version +
                                             ", the " + s.word + "'s was " + wanted.version);
    }
    if (wanted.name == "earthdistance") catalog::try_earthdistance(connection, it->schema);
  }
}

void check_indexes(Session& s, Connection& connection) {
  const std::vector<std::string> invalid = catalog::read_invalid_indexes(connection);
  if (!invalid.empty())
    throw Error(ExitCode::database, "the loaded index " + printable(invalid.front()) + " is not valid");
  for (const std::string& name : catalog::read_unvalidated_constraints(connection)) {
    s.reporter.detail("the constraint " + printable(name) + " is NOT VALID, as in the " + s.word);
  }
}

void check_migration(const Session& s, Connection& connection, const Manifest& manifest) {
  const std::string version = catalog::read_migration_version(connection);
  if (version != manifest.migration_version) {
    throw Error(ExitCode::damaged, "the loaded schema_migrations ends with " + printable(version) + ", the " +
                                       s.word + "'s with " + printable(manifest.migration_version));
  }
}

}  // namespace

void check_content(Session& s, const Manifest& manifest, Connection& connection) {
  if (manifest.by_pg_dump()) {
    check_dump_rows(s, connection, manifest);
  } else {
    check_tables_are_all(s, connection, manifest);
  }
  check_sequences(s, connection, manifest);
  check_indexes(s, connection);
  check_extensions(s, connection, manifest);
  check_migration(s, connection, manifest);
  check_vault_key(connection, manifest, s.options.encryption_key, s.reporter);
}

void check(Session& s, const Manifest& manifest, const StagingDatabase& staging) {
  s.reporter.begin_phase("checking", staging.name(), manifest.tables.size(), report::Unit::items);
  check_tables(s, manifest, staging, base::worker_count(s.options.jobs));
  Connection connection = Connection::open(staging.settings(), s.stop);
  check_content(s, manifest, connection);
  const catalog::ObjectCounts counts = catalog::read_object_counts(connection);
  // An archive of pg_dump does not say them.
  const bool unsaid = manifest.by_pg_dump();
  const std::size_t tables = unsaid ? catalog::read_tables(connection).size() : manifest.tables.size();
  const std::size_t sequences =
      unsaid ? catalog::read_sequences(connection).size() : manifest.sequences.size();
  s.reporter.end_phase(report::counted(tables, "table", "tables") + ", " +
                       report::counted(sequences, "sequence", "sequences") + ", " +
                       report::counted(counts.indexes, "index", "indexes") + ", " +
                       report::counted(counts.constraints, "constraint", "constraints") + ", " +
                       report::counted(manifest.extensions.size(), "extension", "extensions"));
}

}  // namespace tmb::restore
