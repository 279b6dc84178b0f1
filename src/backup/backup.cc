// SPDX-License-Identifier: MIT
#include "backup/backup.hh"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>

#include "backup/copy.hh"
#include "backup/dump.hh"
#include "backup/extras.hh"
#include "backup/plan.hh"
#include "backup/schema.hh"
#include "backup/session.hh"
#include "base/error.hh"
#include "base/workers.hh"
#include "catalog/reader.hh"
#include "crypto/sha256.hh"
#include "repository/objects_of.hh"
#include "teslamate/cars.hh"
#include "teslamate/settings_tables.hh"

namespace tmb::backup {

using base::Error;
using base::ExitCode;
using repository::Manifest;

namespace {

// The newest snapshot that can be read. A damaged manifest is passed over, so that a good new snapshot is
// made.
std::optional<Manifest> read_parent(const repository::BackupSink& sink, report::Reporter& reporter) {
  std::vector<std::string> ids = sink.snapshot_ids();
  for (; !ids.empty(); ids.pop_back()) {
    try {
      return sink.read_manifest(ids.back());
    } catch (const Error& error) {
      if (error.code() != ExitCode::damaged) throw;
      reporter.warning(error.message());
    }
  }
  return std::nullopt;
}

// The parent if its chunks can be compared with what is there now.
const Manifest* trusted_parent(const Options& options, const std::optional<Manifest>& parent,
                               const Session& session, report::Reporter& reporter) {
  if (!parent || options.full) return nullptr;
  const std::string reason = why_not_incremental(*parent, session.server, session.database);
  if (!reason.empty()) reporter.note("every row is read: " + reason);
  return reason.empty() ? &*parent : nullptr;
}

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

repository::DatabaseProperties properties(const catalog::DatabaseFacts& d) {
  return {d.name, d.owner, d.encoding, d.collate, d.ctype, d.locale_provider, d.locale, d.icu_rules};
}

repository::Origin origin(const Session& session) {
  const catalog::ServerFacts& s = session.server;
  return {s.system_identifier,  s.timeline,         s.started,     session.database.oid,
          s.oldest_transaction, s.next_transaction, s.wal_position};
}

// What the manifest says besides tables and schema. Read in the snapshot, but for the sequences: those have
// no versions, and reading them later only moves them further ahead of the rows.
void describe_database(Session& session, Manifest& manifest) {
  postgres::Connection& connection = session.connection;
  manifest.server_version = session.server.version;
  manifest.server_version_number = session.server.version_number;
  manifest.role = catalog::read_current_role(connection);
  manifest.database = properties(session.database);
  manifest.origin = origin(session);
  manifest.migration_version = catalog::read_migration_version(connection);
  for (const catalog::Extension& e : catalog::read_extensions(connection)) {
    manifest.extensions.push_back({e.name, e.version, e.schema});
  }
  manifest.roles = catalog::read_roles(connection);
  manifest.materialized_views = catalog::read_materialized_views(connection);
  for (const teslamate::Car& c : teslamate::read_cars(connection)) {
    manifest.cars.push_back({c.id, c.name, c.drives, c.charges, c.first_date, c.last_date});
  }
  for (const catalog::Sequence& s : catalog::read_sequences(connection)) {
    manifest.sequences.push_back({s.schema, s.name, s.last_value, s.is_called});
  }
}

void add_tables(const Plan& plan, CopyResult& copied, Outcome& outcome) {
  for (std::size_t i = 0; i < plan.tables.size(); ++i) {
    const catalog::Table& table = *plan.tables[i].table;
    repository::TableData entry{table.schema,
                                table.name,
                                table.columns,
                                plan.tables[i].signature,
                                table.pages,
                                0,
                                std::move(copied.chunks[i])};
    for (const repository::Chunk& chunk : entry.chunks) entry.rows += chunk.rows;
    outcome.tables.push_back(
        {table.schema, table.name, entry.rows, entry.chunks.size(), copied.totals.unchanged[i]});
    outcome.manifest.tables.push_back(std::move(entry));
  }
}

// The archive holds all of it: what the chunks need besides is not said twice.
void describe_dump(Session& session, const DumpResult& dump, Outcome& outcome) {
  outcome.manifest.dump = dump.pieces;
  outcome.manifest.dump_rows = count_all_rows(session);
  outcome.manifest.sequences.clear();
  outcome.manifest.materialized_views.clear();
}

std::uint64_t stored_bytes(const repository::BackupSink& sink, const Manifest& manifest) {
  std::set<std::string> seen;
  std::uint64_t sum = 0;
  repository::for_each_object(manifest,
                              [&](repository::ObjectType /*type*/, const repository::ObjectRef& ref) {
                                if (seen.insert(ref.id).second) sum += sink.stored_bytes(ref);
                              });
  return sum;
}

Manifest new_manifest(const Options& options, const Adapters& adapters,
                      const std::optional<Manifest>& parent) {
  Manifest manifest;
  manifest.time = adapters.clock.now();
  manifest.parent = parent ? parent->id : "";
  manifest.sequence = parent ? parent->sequence + 1 : 1;
  // Behind every listed snapshot, also one whose manifest cannot be read.
  const std::vector<std::string> listed = adapters.sink.snapshot_ids();
  manifest.id = next_snapshot_id(manifest.time, listed.empty() ? "" : listed.back(), crypto::random_hex(2));
  manifest.repository_id = adapters.sink.repository_id();
  manifest.tag = options.tag;
  manifest.scheduled = options.scheduled;
  manifest.host = host_name();
  manifest.tool_version = options.tool_version;
  return manifest;
}

void keep_settings_tables(Session& session) {
  std::erase_if(session.tables, [](const catalog::Table& table) {
    return table.schema != "public" ||
           std::ranges::find(teslamate::settings_tables, table.name) == teslamate::settings_tables.end();
  });
  if (session.tables.size() == teslamate::settings_tables.size()) return;
  throw Error(ExitCode::refused, "the database has no settings of TeslaMate's")
      .with_hint("name TeslaMate's database with --dbname");
}

double seconds_since(std::chrono::steady_clock::time_point from) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count();
}

// All that comes from the server, in one snapshot of its. nullopt when names were changed meanwhile: then
// what was read may be spelled both ways.
std::optional<Outcome> read_database(const Options& options, const Adapters& adapters,
                                     const std::optional<Manifest>& parent, report::Reporter& reporter,
                                     const std::stop_token& stop) {
  const repository::BackupSink& sink = adapters.sink;
  Session session = open_session(adapters.database, options.lock_timeout_ms, stop);
  if (options.settings_only) keep_settings_tables(session);
  const bool by_pg_dump = !options.settings_only && needs_pg_dump(session, reporter);
  Outcome outcome;
  outcome.manifest = new_manifest(options, adapters, parent);
  const Manifest* trusted = trusted_parent(options, parent, session, reporter);
  const std::vector<catalog::Table> no_tables;
  const Plan plan = make_plan(by_pg_dump ? no_tables : session.tables, session.server, trusted);
  outcome.manifest.catalog_fingerprint = catalog::read_catalog_fingerprint(session.connection);
  const std::string names = catalog::read_names_fingerprint(session.connection);

  reporter.begin_phase("reading", session.database.name, plan.pages * session.server.block_size,
                       report::Unit::bytes);
  SchemaResult schema;
  DumpResult dump;
  CopyResult copied = copy_tables(
      plan, session, adapters.database, trusted == nullptr ? 0 : trusted->origin.oldest_transaction,
      options.dry_run ? nullptr : &sink, base::worker_count(options.jobs),
      [&](const std::stop_token& stop_all) {
        schema =
            store_schema(options, adapters, session.snapshot, session.server.version_number / 10000,
                         session.database.encoding, outcome.manifest.catalog_fingerprint, trusted, stop_all);
        if (by_pg_dump && !options.dry_run) dump = store_dump(options, adapters, session, stop_all);
      },
      reporter, stop);
  describe_database(session, outcome.manifest);
  if (!options.settings_only) note_vault(session.connection, options, sink.encrypted(), outcome, reporter);
  add_tables(plan, copied, outcome);
  if (by_pg_dump) describe_dump(session, dump, outcome);
  if (options.settings_only) outcome.manifest.narrow_to("settings", teslamate::settings_tables);
  // Also proof that the session, and with it the snapshot and the locks, lasted to the end.
  session.connection.execute("COMMIT");
  // Names and labels are printed as they are when a row is read, not as they were in the snapshot.
  if (catalog::read_names_fingerprint(session.connection) != names) return std::nullopt;
  outcome.lock_seconds = seconds_since(session.locked_at);
  reporter.end_phase(report::counted(outcome.manifest.rows(), "row", "rows"));

  outcome.manifest.schema = schema.object;
  outcome.manifest.dump_tool_version = schema.tool_version;
  outcome.schema_unchanged = schema.unchanged;
  outcome.read_bytes = copied.totals.read_bytes + dump.read_bytes;
  outcome.healed = copied.totals.healed + dump.healed;
  outcome.new_bytes = copied.totals.new_bytes + schema.new_bytes + dump.new_bytes;
  return outcome;
}

// A migration, or somebody who makes a view, is over in a moment: what was stored so far is used again.
Outcome read_unchanged_database(const Options& options, const Adapters& adapters,
                                const std::optional<Manifest>& parent, report::Reporter& reporter,
                                const std::stop_token& stop) {
  constexpr int tries = 3;
  for (int i = 1;; ++i) {
    std::optional<Outcome> outcome = read_database(options, adapters, parent, reporter, stop);
    if (outcome) return std::move(*outcome);
    const std::string what = "schemas, types, functions or views were changed while they were being read";
    if (i == tries) {
      throw Error(ExitCode::database, what).with_hint("run the backup again when the migration is done");
    }
    reporter.note(what + ": reading again");
  }
}

}  // namespace

Outcome run(const Options& options, const Adapters& adapters, report::Reporter& reporter,
            const std::stop_token& stop) {
  const auto started = std::chrono::steady_clock::now();
  const repository::BackupSink& sink = adapters.sink;
  std::optional<base::FileLock> lock;
  if (!options.dry_run) lock = sink.lock_for_writing();
  const std::optional<Manifest> parent = read_parent(sink, reporter);

  Outcome outcome = read_unchanged_database(options, adapters, parent, reporter, stop);
  carry_files(options, sink, outcome, reporter);
  outcome.manifest.seconds = seconds_since(started);
  outcome.dry_run = options.dry_run;
  if (options.dry_run) return outcome;

  if (stop.stop_requested()) throw Error(ExitCode::interrupted, "interrupted");
  const std::uint64_t manifest_bytes = sink.publish(outcome.manifest);
  if (outcome.healed > 0) {
    reporter.warning(report::counted(outcome.healed, "damaged object was", "damaged objects were") +
                     " found in the repository and written again; run teslamate-verify --read-data");
  }
  outcome.new_bytes += outcome.files_new_bytes + manifest_bytes;
  outcome.stored_bytes = manifest_bytes + stored_bytes(sink, outcome.manifest);
  return outcome;
}

}  // namespace tmb::backup
