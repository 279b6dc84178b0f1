// SPDX-License-Identifier: MIT
#include "teslamate/check.hh"

#include <algorithm>

#include "base/error.hh"
#include "catalog/health.hh"
#include "catalog/reader.hh"
#include "report/wrap.hh"
#include "teslamate/consistency.hh"
#include "teslamate/records.hh"

namespace tmb::teslamate {

using base::Error;
using base::ExitCode;
using base::printable;
using catalog::Relation;
using postgres::Connection;
using report::counted;

namespace {

const std::vector<Relation>& teslamate_tables() {
  static const std::vector<Relation> tables = [] {
    std::vector<Relation> out{{"private", "tokens"}, {"public", "tokens"}};
    for (const char* name : {"addresses", "car_settings", "cars", "charges", "charging_processes", "drives",
                             "geofences", "import_file_checkpoints", "import_rejections", "import_runs",
                             "positions", "schema_migrations", "settings", "states", "updates"}) {
      out.push_back({"public", name});
    }
    return out;
  }();
  return tables;
}

void require_teslamate(Connection& connection) {
  const catalog::Layout layout = catalog::read_layout(connection);
  for (const char* name : {"cars", "drives", "positions", "charges", "charging_processes"}) {
    if (layout.find({"public", name}) != nullptr) continue;
    throw Error(ExitCode::unsupported,
                std::string("there is no table public.") + name + ": this is not TeslaMate's database")
        .with_hint("name TeslaMate's database with -d");
  }
}

// As SQL takes it, with quotes only where they are needed.
std::string sql_name(const Connection& connection, const Relation& relation) {
  const std::string plain = relation.text();
  const bool simple =
      plain.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_.") == std::string::npos &&
      std::ranges::count(plain, '.') == 1;
  return simple ? plain : qualified(connection, relation);
}

void find_sequences(Connection& connection, const CheckOptions& options, CheckReport& report) {
  for (const catalog::SequenceBehind& s : catalog::read_sequences_behind(connection)) {
    report.findings.push_back(
        {"sequence-behind",
         printable(s.sequence.text()) + " would hand out " + std::to_string(s.next) + ", but " +
             printable(s.table.text()) + " has ids up to " + std::to_string(s.largest),
         1, "the next row that TeslaMate adds fails, and what it records is lost",
         sql_command(options, "SELECT setval(" + connection.literal(sql_name(connection, s.sequence)) + ", " +
                                  std::to_string(s.largest) + ")")});
  }
}

void find_extensions(Connection& connection, const CheckOptions& options, CheckReport& report) {
  for (const catalog::ExtensionState& e :
       catalog::read_extension_states(connection, {"cube", "earthdistance"})) {
    if (e.installed.empty()) {
      report.findings.push_back(
          {"extension-missing", "the extension " + e.name + " is not there", 1,
           "TeslaMate finds no geofence and no address without it",
           e.available.empty() ? "install PostgreSQL's contrib modules, then create it"
                               : sql_command(options, "CREATE EXTENSION " + e.name + " SCHEMA public")});
    } else if (!e.available.empty() && e.available != e.installed) {
      report.findings.push_back({"extension-outdated",
                                 "the extension " + e.name + " is " + printable(e.installed) +
                                     ", the server has " + printable(e.available),
                                 1, "its functions are those of an earlier PostgreSQL",
                                 sql_command(options, "ALTER EXTENSION " + e.name + " UPDATE")});
    }
  }
  const auto missing = catalog::missing_functions(
      connection, {"convert_celsius", "convert_km", "convert_m", "convert_tire_pressure"});
  if (!missing.empty()) {
    std::string names;
    for (const std::string& name : missing) names += (names.empty() ? "" : ", ") + name;
    report.findings.push_back({"function-missing",
                               counted(missing.size(), "function is", "functions are") + " missing: " + names,
                               missing.size(), "dashboards that convert units show errors",
                               "restore the snapshot of before: teslamate-restore --dry-run latest"});
  }
}

void find_migration(const CheckOptions& options, CheckReport& report) {
  if (options.installed_migration.empty() || report.migration_version == options.installed_migration) return;
  const bool newer = report.migration_version.size() > options.installed_migration.size() ||
                     (report.migration_version.size() == options.installed_migration.size() &&
                      report.migration_version > options.installed_migration);
  report.findings.push_back(
      {newer ? "schema-newer" : "schema-older",
       "the database has migrations up to " + printable(report.migration_version) +
           ", the installed TeslaMate up to " + options.installed_migration,
       1,
       newer ? "an older TeslaMate does not notice and may write what the newer schema does not expect"
             : "TeslaMate did not migrate it: it has not started since its update, or a migration failed",
       newer ? "update TeslaMate" : "systemctl restart teslamate && journalctl -u teslamate -n 50"});
}

void find_foreign_objects(Connection& connection, CheckReport& report) {
  const auto others = catalog::read_dependents(connection, teslamate_tables());
  for (const std::string& object : others) {
    report.findings.push_back({"foreign-object", printable(object), 1,
                               "it is not TeslaMate's and may keep a migration from changing the table",
                               "drop it before TeslaMate is updated, and make it again after"});
  }
  const auto owners =
      catalog::read_other_owners(connection, teslamate_tables(), {"public", "schema_migrations"});
  for (const std::string& line : owners) {
    report.findings.push_back({"other-owner", printable(line), 1,
                               "TeslaMate's migrations may only change tables of its own role",
                               "ALTER TABLE … OWNER TO the role that TeslaMate connects as"});
  }
}

void find_indexes(Connection& connection, const CheckOptions& options, CheckReport& report) {
  for (const catalog::IndexState& i : catalog::read_bloated_indexes(connection, options.index_waste_bytes)) {
    if (!i.valid) {
      report.findings.push_back({"index-invalid", "the index " + printable(i.index.text()) + " is not valid",
                                 1, "it is kept up with every row and used by no query",
                                 "teslamate-check --reindex"});
    } else {
      report.findings.push_back({"index-bloated",
                                 "the index " + printable(i.index.text()) + " takes " +
                                     report::byte_size(i.bytes) + " where about " +
                                     report::byte_size(i.expected_bytes) + " would do",
                                 1, "queries and backups of the server's files read more than they need",
                                 "teslamate-check --reindex"});
    }
  }
}

}  // namespace

CheckReport check(Connection& connection, const CheckOptions& options, report::Reporter& reporter) {
  const auto began = std::chrono::steady_clock::now();
  CheckReport report;
  postgres::Transaction transaction(connection, "ISOLATION LEVEL REPEATABLE READ READ ONLY");
  require_teslamate(connection);
  const auto step = [&](const char* what, auto&& work) {
    reporter.detail(what);
    work();
  };
  step("drives and charges", [&] {
    const postgres::Result n = connection.query(
        "SELECT (SELECT count(*) FROM public.drives), (SELECT count(*) FROM public.charging_processes)");
    report.drives = static_cast<std::uint64_t>(n.integer(0, 0));
    report.charges = static_cast<std::uint64_t>(n.integer(0, 1));
    find_open_records(connection, options, report);
  });
  step("positions", [&] { find_position_faults(connection, options, report); });
  step("charges in their processes", [&] { find_charge_faults(connection, report); });
  step("overlaps", [&] { find_overlaps(connection, report); });
  step("sequences", [&] { find_sequences(connection, options, report); });
  step("extensions and functions", [&] { find_extensions(connection, options, report); });
  step("migrations", [&] {
    report.migration_version = catalog::read_migration_version(connection);
    find_migration(options, report);
  });
  step("objects of others", [&] { find_foreign_objects(connection, report); });
  step("indexes", [&] { find_indexes(connection, options, report); });
  step("tokens", [&] { find_token_faults(connection, options, report); });
  transaction.commit();
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return report;
}

std::vector<std::string> describe(const CheckReport& report, std::size_t columns) {
  std::vector<std::string> out;
  const auto say = [&](const std::string& text, std::size_t indent) {
    for (std::string& line : report::wrapped(text, columns, indent)) out.push_back(std::move(line));
  };
  say(counted(report.positions, "position", "positions") + ", " + counted(report.drives, "drive", "drives") +
          ", " + counted(report.charges, "charge", "charges") +
          (report.migration_version.empty() ? "" : ", schema " + report.migration_version) +
          (report.newest_age_seconds
               ? ", newest position " + report::duration(*report.newest_age_seconds) + " ago"
               : ""),
      2);
  if (!report.vault.empty()) say(printable(report.vault), 2);
  for (const Finding& f : report.findings) {
    out.emplace_back("");
    say("! " + f.what, 2);
    say("  why:  " + f.why, 8);
    out.push_back("  mend: " + f.mend);
  }
  out.emplace_back("");
  out.push_back(report.findings.empty() ? "nothing to mend, " + report::duration(report.seconds)
                                        : counted(report.findings.size(), "finding", "findings") + ", " +
                                              report::duration(report.seconds));
  return out;
}

report::Json to_json(const CheckReport& report) {
  report::Json findings = report::Json::array();
  for (const Finding& f : report.findings) {
    findings.push_back(
        {{"kind", f.kind}, {"what", f.what}, {"count", f.count}, {"why", f.why}, {"mend", f.mend}});
  }
  return {{"positions", report.positions},
          {"drives", report.drives},
          {"charges", report.charges},
          {"newest_position", report.newest_position},
          {"newest_age_seconds",
           report.newest_age_seconds ? report::Json(*report.newest_age_seconds) : report::Json()},
          {"migration_version", report.migration_version},
          {"tokens", report.vault},
          {"findings", findings},
          {"seconds", report.seconds}};
}

std::string newest_migration(const base::Path& folder) {
  std::string newest;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    const std::size_t digits = std::min(name.find_first_not_of("0123456789"), name.size());
    if (digits == 14 && name.substr(digits).starts_with('_') && name.substr(0, digits) > newest)
      newest = name.substr(0, digits);
  }
  return newest;
}

base::Path migrations_of(const base::Path& command) {
  std::error_code error;
  const base::Path target = std::filesystem::canonical(command, error);
  if (error) return {};
  base::Path found;
  for (std::filesystem::directory_iterator it(target.parent_path().parent_path() / "lib", error), end;
       !error && it != end; it.increment(error)) {
    // Of several versions the last: releases keep the one before for a way back.
    if (it->path().filename().string().starts_with("teslamate-") && it->path() > found) found = it->path();
  }
  return found.empty() ? base::Path() : found / "priv" / "repo" / "migrations";
}

}  // namespace tmb::teslamate
