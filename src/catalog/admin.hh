// SPDX-License-Identifier: MIT
// The statements that create, rename, close and describe whole databases, run from a session of another
// database. Each does one thing and decides nothing: what may be touched is for the caller to know.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "catalog/model.hh"
#include "postgres/connection.hh"

namespace tmb::catalog {

struct DatabaseEntry {
  std::uint32_t oid = 0;
  std::string name;
  std::string owner;
  std::string tablespace;
  std::optional<std::string> comment;
  bool allows_connections = true;
  bool is_template = false;
  std::int64_t connection_limit = -1;
};

// All databases, or the one of that name or OID. By name.
std::vector<DatabaseEntry> read_databases(postgres::Connection& connection);
std::optional<DatabaseEntry> find_database(postgres::Connection& connection, const std::string& name);
std::optional<DatabaseEntry> find_database(postgres::Connection& connection, std::uint32_t oid);
std::uint64_t database_bytes(postgres::Connection& connection, std::uint32_t oid);

// From template0, with the facts' encoding and locale, owned by `facts.owner`. `tablespace` empty: the
// default.
void create_database(postgres::Connection& connection, const std::string& name, const DatabaseFacts& facts,
                     const std::string& tablespace);
// Ends its sessions too. No error when it is not there.
void drop_database(postgres::Connection& connection, const std::string& name);
void rename_database(postgres::Connection& connection, const std::string& from, const std::string& to);
void set_database_comment(postgres::Connection& connection, const std::string& name,
                          const std::optional<std::string>& comment);
// False keeps superusers out too; sessions that are open stay.
void allow_connections(postgres::Connection& connection, const std::string& name, bool allow);

// Grants, per-database settings (also those of single roles), connection limit and template flag of `from`
// put on `to` in place of its own. Owner, comment and the door are left alone.
void copy_access(postgres::Connection& connection, const std::string& from, const std::string& to);
// What copy_access should have made equal and is not, as lines to read; empty when all is.
std::vector<std::string> access_differences(postgres::Connection& connection, const std::string& from,
                                            const std::string& to);

struct SessionEntry {
  int pid = 0;
  std::string user;
  std::string application;
  std::string client;  // address, or "local"
  std::string state;
  bool is_client = true;  // false: autovacuum and other workers of the server
};
// Sessions of the databases with these OIDs, without our own.
std::vector<SessionEntry> read_sessions(postgres::Connection& connection,
                                        const std::vector<std::uint32_t>& databases);
// Asks each to end; those that we may not end are left. Does not wait.
void end_sessions(postgres::Connection& connection, const std::vector<SessionEntry>& sessions);
// "pid 12 grafana (psql, local, idle)"
std::string describe(const SessionEntry& session);

// Prepared transactions of the database: they keep it from being renamed and outlive every session.
std::vector<std::string> read_prepared_transactions(postgres::Connection& connection,
                                                    const std::string& database);
// Logical replication slots of the database: they follow its OID, not its name.
std::vector<std::string> read_logical_slots(postgres::Connection& connection, const std::string& database);

struct Rights {
  std::string role;  // that the session runs as
  bool superuser = false;
  bool create_database = false;
};
Rights read_rights(postgres::Connection& connection);
bool is_member_of(postgres::Connection& connection, const std::string& role);
bool is_in_recovery(postgres::Connection& connection);
// Of `wanted`, those that the server does not have.
std::vector<std::string> missing_roles(postgres::Connection& connection,
                                       const std::vector<std::string>& wanted);
bool encoding_exists(postgres::Connection& connection, const std::string& encoding);

struct ExtensionOffer {
  std::string name;
  std::string default_version;  // empty: not installed on this server
  bool trusted = false;         // may be created by a role that is no superuser
  bool needs_superuser = true;
};
ExtensionOffer read_extension_offer(postgres::Connection& connection, const std::string& name);

// The server's data folder; empty when this role may not know it.
std::string data_directory(postgres::Connection& connection);

// A lock that lives as long as this session, over all databases whose sessions ask in this one. False when
// another session holds it.
bool try_session_lock(postgres::Connection& connection, std::uint32_t kind, std::uint32_t key);

// The kinds of session locks and their numbers on the server.
inline constexpr std::uint32_t staging_lock = 0x746d6200;  // key: OID of the staging database
inline constexpr std::uint32_t target_lock = 0x746d6201;   // key: hash of the live database's name

}  // namespace tmb::catalog
