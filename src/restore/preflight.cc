// SPDX-License-Identifier: MIT
#include "restore/preflight.hh"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "base/error.hh"
#include "catalog/reader.hh"
#include "catalog/staging.hh"
#include "restore/marker.hh"

namespace tmb::restore {

using base::Error;
using base::ExitCode;
using base::printable;
using postgres::Connection;
using repository::Manifest;

namespace {

constexpr std::size_t longest_name = 63;  // NAMEDATALEN - 1: the server cuts off what is longer, silently

int major_of(int version_number) { return version_number / 10000; }

int major_of(const std::string& version) {
  int major = 0;
  std::from_chars(version.data(), version.data() + version.size(), major);
  return major;
}

// The oldest releases TeslaMate starts on: 16.7, 17.3, 18.
bool teslamate_accepts(int version) {
  return version >= 180000 || (version >= 170003 && version < 180000) ||
         (version >= 160007 && version < 170000);
}

std::string joined(const std::vector<std::string>& items) {
  std::string out;
  for (const std::string& item : items) out += (out.empty() ? "" : ", ") + printable(item);
  return out;
}

void check_server(Session& s, const Manifest& m) {
  if (catalog::is_in_recovery(s.admin)) {
    throw Error(ExitCode::database, "the server is a standby in recovery: nothing can be restored into it")
        .with_hint("restore into the primary server");
  }
  const int version = s.admin.server_version();
  if (major_of(version) < major_of(m.server_version_number)) {
    throw Error(ExitCode::unsupported, "the " + s.word + " comes from PostgreSQL " + m.server_version +
                                           ", this server is " + s.admin.parameter("server_version") +
                                           ", which is older")
        .with_hint("restore into PostgreSQL " + std::to_string(major_of(m.server_version_number)) +
                   " or newer");
  }
  if (m.migration_version.empty() || teslamate_accepts(version)) return;
  const std::string needs = "TeslaMate needs PostgreSQL 16.7, 17.3, 18 or newer; this server is " +
                            s.admin.parameter("server_version");
  if (teslamate_accepts(m.server_version_number)) {
    throw Error(ExitCode::unsupported, needs)
        .with_hint("upgrade PostgreSQL first: TeslaMate would refuse to start");
  }
  s.reporter.note(needs + ", as was the " + s.word + "'s");
}

void check_roles(Session& s, const Manifest& m) {
  const std::vector<std::string> missing = catalog::missing_roles(s.admin, m.roles);
  if (missing.empty()) return;
  std::string statements;
  for (const std::string& role : missing) statements += "CREATE ROLE " + s.admin.identifier(role) + "; ";
  throw Error(
      ExitCode::database,
      "the " + s.word + "'s objects belong to roles that this server does not have: " + joined(missing))
      .with_hint("create them as a superuser: " + printable(statements));
}

void check_extensions(Session& s, const Manifest& m, const catalog::Rights& rights) {
  for (const repository::ExtensionInfo& wanted : m.extensions) {
    const catalog::ExtensionOffer offer = catalog::read_extension_offer(s.admin, wanted.name);
    if (offer.default_version.empty()) {
      throw Error(ExitCode::unsupported, "the extension " + printable(wanted.name) + " " +
                                             printable(wanted.version) + " is not installed on this server")
          .with_hint(
              "install the server's package that holds it (postgresql-contrib has cube and earthdistance)");
    }
    if (compare_versions(offer.default_version, wanted.version) < 0) {
      throw Error(ExitCode::unsupported, "the " + s.word + " uses the extension " + printable(wanted.name) +
                                             " " + printable(wanted.version) + ", this server has only " +
                                             offer.default_version)
          .with_hint("upgrade PostgreSQL's extension packages");
    }
    if (!rights.superuser && offer.needs_superuser && !offer.trusted) {
      throw Error(ExitCode::database, "the role " + printable(rights.role) +
                                          " may not create the extension " + printable(wanted.name) +
                                          ": that takes a superuser")
          .with_hint("run the restore as a superuser of PostgreSQL (-U postgres)");
    }
  }
}

void check_rights(Session& s, const Target& t, const catalog::Rights& rights) {
  if (!rights.create_database) {
    throw Error(ExitCode::database, "the role " + printable(rights.role) + " may not create databases")
        .with_hint("ALTER ROLE " + printable(s.admin.identifier(rights.role)) +
                   " CREATEDB; or use --in-place");
  }
  if (rights.superuser) return;
  if (!catalog::is_member_of(s.admin, t.facts.owner)) {
    throw Error(ExitCode::database, "the role " + printable(rights.role) + " is not a member of " +
                                        printable(t.facts.owner) + ", which owns the database")
        .with_hint("run the restore as that role, or as a superuser");
  }
}

// Objects may belong to other roles than the database does; setting those takes membership.
void check_memberships(Session& s, const Manifest& m, const catalog::Rights& rights) {
  if (rights.superuser) return;
  for (const std::string& role : m.roles) {
    if (!catalog::is_member_of(s.admin, role)) {
      s.reporter.detail("the role " + printable(rights.role) + " is not a member of " + printable(role));
    }
  }
}

// Rows, indexes of about the same size, and the log of writing both.
std::uint64_t space_needed(const Manifest& m) {
  return m.plain_bytes() / 10U * 22U + (std::uint64_t{64} << 20U);
}

void check_space(Session& s, const Manifest& m) {
  const bool same_machine = s.settings().host.empty() || s.settings().host.front() == '/';
  const std::string folder = same_machine ? catalog::data_directory(s.admin) : "";
  std::error_code error;
  if (folder.empty() || !std::filesystem::is_directory(folder, error) ||
      !std::filesystem::exists(folder + "/PG_VERSION", error)) {
    s.reporter.detail("the server's free disk space cannot be seen from here");
    return;
  }
  const std::uint64_t free = base::free_space(folder);
  if (free >= space_needed(m)) return;
  throw Error(ExitCode::refused, "the server's disk has " + report::byte_size(free) + " free; loading the " +
                                     s.word +
                                     " beside the "
                                     "live database takes about " +
                                     report::byte_size(space_needed(m)))
      .with_hint("free some space on the file system of " + printable(folder));
}

catalog::DatabaseFacts facts_for(Session& s, const Manifest& m,
                                 const std::optional<catalog::DatabaseEntry>& live) {
  const repository::DatabaseProperties& d = m.database;
  if (d.encoding.empty()) {  // a file need not say: as the live database, or as the server's others
    catalog::DatabaseFacts facts = catalog::read_database(s.admin);
    if (live && live->allows_connections) {
      Connection connection = Connection::open(s.settings().with_database(live->name), s.stop);
      facts = catalog::read_database(connection);
    } else {
      facts.owner = catalog::read_rights(s.admin).role;
    }
    return facts;
  }
  return {
      0,        d.name,     live ? live->owner : d.owner, d.encoding, d.collate, d.ctype, d.locale_provider,
      d.locale, d.icu_rules};
}

void look_at_live(Session& s, Target& t) {
  if (!t.live) {
    s.reporter.note("there is no database " + printable(s.database) +
                    " on this server yet; the restore makes it");
    return;
  }
  if (!t.live->allows_connections) {
    throw Error(ExitCode::refused, "the database " + printable(s.database) + " allows no connections")
        .with_hint("if that is not meant: ALTER DATABASE " + printable(s.admin.identifier(s.database)) +
                   " ALLOW_CONNECTIONS true");
  }
  Connection live = Connection::open(s.settings().with_database(s.database), s.stop);
  t.live_migration = catalog::read_migration_version(live);
  t.newest_live_row = catalog::newest_row(live, "public", "positions", "date");
}

// The live database's newest migration stands for what the installed TeslaMate knows.
void check_migration(Session& s, const Manifest& m, const Target& t) {
  if (t.live_migration.empty()) return;
  if (m.migration_version.empty()) {
    throw Error(ExitCode::refused,
                "the " + s.word +
                    " says nowhere how far TeslaMate migrated it (schema_migrations is "
                    "missing or empty): TeslaMate would make its tables anew and not start")
        .with_hint("look for another one; to look at this one: --as-database NAME");
  }
  const int order = compare_versions(m.migration_version, t.live_migration);
  if (order > 0 && !s.options.allow_newer) {
    throw Error(ExitCode::unsupported, "the " + s.word + " was migrated to " + m.migration_version +
                                           ", further than the live "
                                           "database (" +
                                           t.live_migration + "): this TeslaMate would not know its tables")
        .with_hint("upgrade TeslaMate first, or say --allow-newer when it is already new enough");
  }
  if (order < 0) {
    s.reporter.note("the " + s.word + " is of an older TeslaMate (schema " + m.migration_version +
                    "); TeslaMate will migrate it to " + t.live_migration + " or newer when it starts");
  }
}

void choose_tool(Session& s, const Manifest& m, Target& t) {
  if (m.dump_tool_version.empty()) return;  // nothing of it is loaded by pg_restore
  const std::vector<postgres::Tools> found = postgres::find_tools(s.options.pg_bin_dir);
  const int server = major_of(s.admin.server_version());
  const int dump = major_of(m.dump_tool_version);
  try {
    t.tools = postgres::choose_tools(found, std::max(server, dump));
  } catch (const Error&) {
    t.tools = postgres::choose_tools(found, dump);
  }
  // pg_restore 17 and newer sets transaction_timeout, which older servers do not know.
  t.tool_connects = !(t.tools.major >= 17 && server < 17);
}

}  // namespace

int compare_versions(const std::string& a, const std::string& b) {
  std::size_t i = 0;
  std::size_t j = 0;
  const auto number = [](const std::string& text, std::size_t& at) {
    const std::size_t end = std::min(text.find('.', at), text.size());
    std::size_t first = at;
    while (first + 1 < end && text[first] == '0') ++first;
    std::string digits = text.substr(first, end - first);
    at = std::min(end + 1, text.size());
    return digits;
  };
  while (i < a.size() || j < b.size()) {
    const std::string x = i < a.size() ? number(a, i) : "0";
    const std::string y = j < b.size() ? number(b, j) : "0";
    if (x.size() != y.size()) return x.size() < y.size() ? -1 : 1;
    if (const int order = x.compare(y); order != 0) return order;
  }
  return 0;
}

std::string free_name(Session& s, const std::string& base_name, const std::string& suffix) {
  for (int attempt = 1; attempt < 100; ++attempt) {
    const std::string end = suffix + (attempt == 1 ? "" : "_" + std::to_string(attempt));
    std::string begin = base_name;
    if (begin.size() + end.size() > longest_name) {
      begin.resize(longest_name - end.size());
      // Not through the middle of a UTF-8 character.
      while (!begin.empty() && (static_cast<unsigned char>(base_name[begin.size()]) & 0xC0U) == 0x80U)
        begin.pop_back();
    }
    std::string name = begin + end;
    if (!catalog::find_database(s.admin, name)) return name;
  }
  throw Error(ExitCode::refused,
              "every name like " + printable(base_name + suffix) + " is taken by a database already")
      .with_hint("drop or rename those that are not needed");
}

std::vector<UnitRecord> preflight_units(Session& s) {
  std::vector<UnitRecord> out;
  if (s.options.no_service || s.adapters.services == nullptr) return out;
  for (const std::string& unit : s.options.units) {
    const std::string name = s.adapters.services->unit_name(unit);
    out.push_back({name, s.adapters.services->check(name).is_wanted(), false});
  }
  for (const std::string& unit : s.options.keep_stopped) {
    const std::string name = s.adapters.services->unit_name(unit);
    const auto it =
        std::find_if(out.begin(), out.end(), [&](const UnitRecord& record) { return record.name == name; });
    if (it == out.end()) {
      throw Error(ExitCode::usage,
                  "--keep-stopped " + printable(unit) + " is not among the units that are stopped")
          .with_hint("name it with --unit too");
    }
    it->keep_stopped = true;
  }
  return out;
}

void preflight_rename(Session& s, const catalog::DatabaseEntry& database) {
  const std::vector<std::string> prepared = catalog::read_prepared_transactions(s.admin, database.name);
  if (!prepared.empty()) {
    throw Error(ExitCode::refused, "prepared transactions hold the database " + printable(database.name) +
                                       ": " + joined(prepared))
        .with_hint("COMMIT PREPARED or ROLLBACK PREPARED them");
  }
  const std::vector<std::string> slots = catalog::read_logical_slots(s.admin, database.name);
  if (!slots.empty()) s.reporter.warning("replication slots stay with the old database: " + joined(slots));
  for (const catalog::SessionEntry& session : catalog::read_sessions(s.admin, {database.oid})) {
    if (session.is_client) s.reporter.detail("will be disconnected: " + catalog::describe(session));
  }
}

Target preflight(Session& s, const Manifest& m) {
  Target t;
  check_server(s, m);
  t.live = catalog::find_database(s.admin, s.database);
  t.facts = facts_for(s, m, t.live);
  if (t.live) t.tablespace = t.live->tablespace;
  const catalog::Rights rights = catalog::read_rights(s.admin);
  check_roles(s, m);
  if (!s.options.in_place) {
    check_rights(s, t, rights);
    check_extensions(s, m, rights);
    check_memberships(s, m, rights);
  }
  if (!catalog::encoding_exists(s.admin, t.facts.encoding)) {
    throw Error(ExitCode::unsupported,
                "this server does not know the encoding " + printable(t.facts.encoding));
  }
  const bool beside = !s.options.as_database.empty();
  if (beside) {
    if (s.options.as_database.size() > longest_name) {
      throw Error(ExitCode::usage,
                  "the name " + printable(s.options.as_database) + " is longer than PostgreSQL's 63 bytes");
    }
    if (catalog::find_database(s.admin, s.options.as_database)) {
      throw Error(ExitCode::refused, "there is a database " + printable(s.options.as_database) + " already")
          .with_hint("give another name");
    }
  } else {
    look_at_live(s, t);
    check_migration(s, m, t);
    if (t.live) preflight_rename(s, *t.live);
  }
  choose_tool(s, m, t);
  check_space(s, m);
  if (!beside) t.units = preflight_units(s);
  const std::string compact = base::compact_utc(s.began);  // 20261120T021503Z
  t.staging =
      free_name(s, beside ? s.options.as_database : s.database, "_staging_" + s.run.substr(s.run.size() - 4));
  if (t.live) t.kept = free_name(s, s.database, "_before_" + compact.substr(0, compact.size() - 3));
  return t;
}

}  // namespace tmb::restore
