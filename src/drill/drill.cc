// SPDX-License-Identifier: MIT
#include "drill/drill.hh"

#include "base/error.hh"
#include "catalog/admin.hh"
#include "drill/phases.hh"
#include "restore/restore.hh"
#include "teslamate/cars.hh"
#include "teslamate/vault.hh"

namespace tmb::drill {

using base::Error;
using base::ExitCode;
using base::printable;
using postgres::Connection;

namespace {

// Stands in for the live database's name in the restore's locks: so no restore waits for a drill.
constexpr const char* no_live_database = "teslamate_drill";

double seconds_since(std::chrono::steady_clock::time_point began) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

// Dropped when this goes. Until then it carries the mark of a staging database, whose lock we hold.
class ThrowAwayDatabase {
 public:
  ThrowAwayDatabase(const postgres::ConnectionSettings& server, std::string name, report::Reporter& reporter)
      : server_(server),
        name_(std::move(name)),
        reporter_(reporter),
        admin_(Connection::open(server.with_database("postgres"))) {
    const auto entry = catalog::find_database(admin_, name_);
    if (!entry || !catalog::try_session_lock(admin_, catalog::staging_lock, entry->oid))
      throw Error(ExitCode::database, "the throw-away database " + printable(name_) + " was taken away");
    oid_ = entry->oid;
  }
  ThrowAwayDatabase(const ThrowAwayDatabase&) = delete;
  ThrowAwayDatabase& operator=(const ThrowAwayDatabase&) = delete;
  ~ThrowAwayDatabase() {
    try {
      // A new session: the old one may be lost by now.
      Connection admin = Connection::open(server_.with_database("postgres"));
      const auto entry = catalog::find_database(admin, name_);
      if (entry && entry->oid == oid_) catalog::drop_database(admin, name_);
    } catch (const Error& error) {
      reporter_.warning("could not remove " + printable(name_) + " (" + error.message() +
                        "); the next drill does");
    }
  }

  Connection connect(const std::stop_token& stop) const {
    return Connection::open(server_.with_database(name_), stop);
  }
  std::uint64_t bytes() { return catalog::database_bytes(admin_, oid_); }

 private:
  const postgres::ConnectionSettings& server_;
  std::string name_;
  report::Reporter& reporter_;
  Connection admin_;
  std::uint32_t oid_ = 0;
};

void compare_cars(Connection& connection, const restore::Input& input, Outcome& out) {
  const repository::Manifest& manifest = input.manifest();
  const std::string word = "the " + input.word();
  const std::vector<teslamate::Car> cars = teslamate::read_cars(connection);
  out.cars = cars.size();
  if (cars.size() != manifest.cars.size()) {
    throw Error(ExitCode::damaged, "the restored database has " + std::to_string(cars.size()) + " cars, " +
                                       word + " has " + std::to_string(manifest.cars.size()));
  }
  for (std::size_t i = 0; i < cars.size(); ++i) {
    const teslamate::Car& found = cars[i];
    const repository::CarSummary& wanted = manifest.cars[i];
    const bool same = found.id == wanted.id && found.drives == wanted.drives &&
                      found.charges == wanted.charges && found.first_date == wanted.first_date &&
                      found.last_date == wanted.last_date;
    if (same) continue;
    throw Error(ExitCode::damaged, "car " + std::to_string(wanted.id) + " " + printable(wanted.name) +
                                       " does not have the drives and charges that " + word + " says");
  }
}

void look_at_vault(Connection& connection, const Adapters& adapters, Outcome& out) {
  const postgres::Result there =
      connection.query("SELECT pg_catalog.to_regclass('private.tokens') IS NOT NULL");
  if (!there.boolean(0, 0)) return;
  const teslamate::VaultReport vault = teslamate::check_vault(connection, adapters.encryption_key);
  // What is wrong with it, the restore has said.
  if (vault.answer == teslamate::KeyAnswer::right) out.vault = vault.sentence;
}

void look_at(ThrowAwayDatabase& database, const restore::Input& input, const Adapters& adapters, Outcome& out,
             report::Reporter& reporter, const std::stop_token& stop) {
  reporter.begin_phase("looking", "as a user would", 0, report::Unit::items);
  Connection connection = database.connect(stop);
  compare_cars(connection, input, out);
  look_at_vault(connection, adapters, out);
  out.answers = teslamate::ask_like_dashboards(connection);
  out.database_bytes = database.bytes();
  reporter.end_phase(report::counted(out.cars, "car", "cars") + ", " +
                     report::counted(out.answers.size(), "dashboard question", "dashboard questions"));
}

void describe_content(const restore::Input& input, base::Time now, Outcome& out) {
  const repository::Manifest& manifest = input.manifest();
  (input.source() != nullptr ? out.snapshot : out.file) = input.mark();
  out.title = input.title();
  out.snapshot_time = manifest.time;
  out.recovery_point_seconds = std::chrono::duration<double>(now - manifest.time).count();
  out.rows = manifest.rows();
  out.tables = manifest.tables.size();
}

}  // namespace

Outcome run(const Options& options, restore::Input& input, const Adapters& adapters,
            report::Reporter& reporter, const std::stop_token& stop) {
  const base::Time now = adapters.clock.now();
  restore::Options how;
  how.as_database = std::string(no_live_database) + "_" + base::compact_utc(now);
  how.as_marked = true;
  how.no_service = true;
  how.jobs = options.jobs;
  how.pg_bin_dir = options.pg_bin_dir;
  how.encryption_key = adapters.encryption_key;
  const postgres::ConnectionSettings server = adapters.server.with_database(no_live_database);
  const restore::Adapters below{server,  adapters.folder,           adapters.clock,
                                nullptr, [](const std::string&) {}, {}};
  PhaseTimes phases(reporter);
  Outcome out;
  const auto began = std::chrono::steady_clock::now();
  try {
    static_cast<void>(restore::run(how, input, below, phases, stop));
    out.recovery_seconds = seconds_since(began);
    out.phases = phases.times();
    describe_content(input, now, out);  // of a file it is known only now
    ThrowAwayDatabase database(server, how.as_database, reporter);
    look_at(database, input, adapters, out, reporter, stop);
    out.looking_seconds = seconds_since(began) - out.recovery_seconds;
  } catch (Error& error) {
    throw error.with_state("this was a rehearsal: the live database was not touched");
  }
  out.removing_seconds = seconds_since(began) - out.recovery_seconds - out.looking_seconds;
  return out;
}

}  // namespace tmb::drill
