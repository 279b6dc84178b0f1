// SPDX-License-Identifier: MIT
#include "restore/session.hh"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>

#include "base/error.hh"
#include "catalog/reader.hh"
#include "restore/marker.hh"

namespace tmb::restore {

using base::Error;
using base::ExitCode;
using postgres::Connection;

namespace {

std::string new_run_id(base::Time now) {
  constexpr const char* digits = "0123456789abcdef";
  std::random_device random;
  std::string out = base::compact_utc(now) + "-";
  for (int i = 0; i < 4; ++i) out += digits[random() % 16U];
  return out;
}

base::FileLock lock_state(const base::Path& state_dir) {
  base::make_directory(state_dir);
  const base::Path path = state_dir / "restore.lock";
  try {
    if (!base::read_file_if_there(path, 0)) base::publish_file(path, "", base::Overwrite::no);
  } catch (Error& error) {
    // Refused: another run made it at this very moment.
    if (error.code() != ExitCode::refused)
      throw Error(error.with_hint("run it as root, or name a folder of yours with --state-dir"));
  }
  auto lock = base::FileLock::try_acquire(path, 0, base::LockMode::exclusive);
  if (!lock) {
    throw Error(ExitCode::locked,
                "another restore is running with the state folder " + base::printable(state_dir.string()))
        .with_hint("wait for it to end; its lock goes with it");
  }
  return std::move(*lock);
}

// The name libpq would connect to, asked for only where our settings leave it open.
std::string database_name(const postgres::ConnectionSettings& settings, const std::stop_token& stop) {
  if (!settings.database.empty()) return settings.database;
  const char* said = std::getenv("PGDATABASE");  // NOLINT(concurrency-mt-unsafe): nothing here calls setenv
  if (said != nullptr && *said != '\0') return said;
  Connection connection = Connection::open(settings, stop);
  return catalog::read_database(connection).name;
}

// FNV-1a: the same for the same name in every run.
std::uint32_t hash_of(const std::string& text) {
  std::uint32_t hash = 2166136261U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash;
}

}  // namespace

Connection open_admin(const postgres::ConnectionSettings& settings, const std::string& live,
                      const std::stop_token& stop) {
  std::optional<Error> first;
  for (const char* name : {"postgres", "template1"}) {
    if (live == name) continue;
    try {
      Connection connection = Connection::open(settings.with_database(name), stop);
      // Whatever the role's default is: what we commit here must be on the disk before the next step.
      connection.execute("SET synchronous_commit = local");
      return connection;
    } catch (const Error& error) {
      if (error.code() != ExitCode::cannot_connect) throw;
      if (!first) first = error;
    }
  }
  throw *first;  // NOLINT(bugprone-unchecked-optional-access): one of the two names is tried
}

Connection reopen_admin(const postgres::ConnectionSettings& settings, const std::string& live,
                        std::chrono::seconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    try {
      return open_admin(settings, live);
    } catch (const Error& error) {
      if (error.code() != ExitCode::cannot_connect || std::chrono::steady_clock::now() > deadline) throw;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(250));
  }
}

Session open_session(const Options& options, const Adapters& adapters, report::Reporter& reporter,
                     const std::stop_token& stop) {
  const base::Time now = adapters.clock.now();
  base::FileLock lock = lock_state(adapters.state_dir);
  base::remove_temporary_files(adapters.state_dir);
  std::string database = database_name(adapters.database, stop);
  if (database == "postgres" || database == "template0" || database == "template1") {
    throw Error(ExitCode::refused,
                "the database " + database + " belongs to the server itself and is never replaced")
        .with_hint("name TeslaMate's database with -d");
  }
  Connection admin = open_admin(adapters.database, database, stop);
  // The lock of the state folder is ours alone; this one is seen from every machine and every state folder.
  // A killed run's session may outlive it on the server by a moment.
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(3);
  while (!catalog::try_session_lock(admin, catalog::target_lock, hash_of(database))) {
    if (std::chrono::steady_clock::now() < patience) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      continue;
    }
    throw Error(ExitCode::locked, "another restore of " + base::printable(database) + " is running")
        .with_hint(
            "wait for it to end; it may have been started on another machine or with another state folder");
  }
  std::string system = catalog::read_server(admin).system_identifier;
  return {options,
          adapters,
          reporter,
          stop,
          new_run_id(now),
          now,
          std::move(lock),
          JournalFile(adapters.state_dir),
          std::move(database),
          std::move(admin),
          std::move(system)};
}

void forget_journal(const Session& session) {
  try {
    session.journal.remove();
  } catch (const Error& error) {
    session.reporter.warning(error.message() +
                             "; nothing is left to do, but the next run would take it for unfinished: "
                             "delete that file");
  }
}

void remove_dead_staging(Session& session) {
  for (const catalog::DatabaseEntry& entry : catalog::read_databases(session.admin)) {
    const std::optional<Marker> marker = parse_marker(entry.comment);
    if (!marker || marker->kind != Marker::Kind::staging) continue;
    // The run that fills it holds this lock for as long as it lives.
    if (!catalog::try_session_lock(session.admin, catalog::staging_lock, entry.oid)) continue;
    catalog::drop_database(session.admin, entry.name);
    session.reporter.note("removed " + base::printable(entry.name) +
                          ", left half-filled by a restore that died (" + base::printable(marker->run) + ")");
  }
}

std::vector<KeptDatabase> list_kept(Session& session, bool with_rejected) {
  std::vector<KeptDatabase> out;
  for (const catalog::DatabaseEntry& entry : catalog::read_databases(session.admin)) {
    const std::optional<Marker> marker = parse_marker(entry.comment);
    if (!marker || marker->database != session.database) continue;
    if (marker->kind == Marker::Kind::staging || (marker->kind == Marker::Kind::rejected && !with_rejected))
      continue;
    out.push_back({entry.name, entry.oid, catalog::database_bytes(session.admin, entry.oid), marker->since,
                   marker->snapshot});
  }
  std::sort(out.begin(), out.end(), [](const KeptDatabase& a, const KeptDatabase& b) {
    return a.since != b.since ? a.since > b.since : a.oid > b.oid;
  });
  return out;
}

std::vector<KeptDatabase> list_kept_at_end(Session& session) {
  try {
    session.admin = reopen_admin(session.settings(), session.database, std::chrono::seconds(10));
    return list_kept(session, true);
  } catch (const Error& error) {
    session.reporter.warning("the kept databases cannot be listed: " + error.message());
    return {};
  }
}

std::string untouched_state(const Session& session) {
  return "nothing was changed; " + base::printable(session.database) + " is as it was";
}

}  // namespace tmb::restore
