// SPDX-License-Identifier: MIT
// A snapshot's manifest: what one backup holds and how it was taken, as plain structs and as JSON.
// The file of the manifest is the commit point: a snapshot exists when it does.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hh"
#include "repository/object_store.hh"

namespace tmb::repository {

// The rows of one page range of one table as COPY text. The objects are to be read one after another: first
// what was read at once, then what later snapshots found added.
struct Chunk {
  std::uint64_t first_page = 0;
  std::uint64_t end_page = 0;  // one behind the last; open_end for the last chunk of a table
  std::uint64_t rows = 0;
  std::vector<ObjectRef> objects;
  static constexpr std::uint64_t open_end = UINT64_MAX;
  std::uint64_t plain_bytes() const;
};

struct TableData {
  std::string schema;
  std::string name;
  std::vector<std::string> columns;  // those that COPY names, in its order; generated ones are absent
  std::string signature;    // of what, besides its rows, decides a table's COPY text; empty: never reuse
  std::uint64_t pages = 0;  // of the heap when it was read
  std::uint64_t rows = 0;
  std::vector<Chunk> chunks;  // by page, without gaps
};

struct SequenceState {
  std::string schema;
  std::string name;
  std::string last_value;  // decimal; kept as text, a sequence's range is that of bigint
  bool is_called = false;
};

struct ExtensionInfo {
  std::string name;
  std::string version;
  std::string schema;
};

// Where the rows came from: together they decide whether a later backup may take over chunks unread.
struct Origin {
  std::string system_identifier;
  std::string timeline;
  std::string server_started;  // of the server, and of its statistics, which every crash recovery begins anew
  std::uint64_t database_oid = 0;
  std::uint64_t oldest_transaction = 0;  // every earlier one had ended; 64-bit, with epoch
  std::uint64_t next_transaction = 0;
  std::uint64_t wal_position = 0;
};

struct DatabaseProperties {
  std::string name;
  std::string owner;
  std::string encoding;
  std::string collate;
  std::string ctype;
  std::string locale_provider;  // c, i or b
  std::string locale;           // ICU or builtin locale; may be empty
  std::string icu_rules;
};

// Counts of one car, so that two snapshots can be told apart by a person.
struct CarSummary {
  std::int64_t id = 0;
  std::string name;
  std::uint64_t drives = 0;
  std::uint64_t charges = 0;
  std::string first_date;
  std::string last_date;
};

// A file or folder that the snapshot carries besides the database; only in encrypted repositories.
struct CarriedFile {
  enum class Kind { file, folder, link };
  std::string path;  // absolute, as bytes
  Kind kind = Kind::file;
  unsigned mode = 0;  // permission bits, 07777 at most
  std::string owner;  // names; empty where the system knew none
  std::string group;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::int64_t modified = 0;       // seconds since 1970
  std::uint64_t bytes = 0;         // of a file
  std::string target;              // of a link
  std::vector<ObjectRef> objects;  // of a file: its content, piece after piece
};

struct Manifest {
  std::string id;  // 20261120T021503Z-7f3a
  std::string repository_id;
  std::uint64_t sequence = 0;  // 1 for the first snapshot of a repository, one more for each
  std::string parent;          // the previous snapshot's id, empty for the first
  std::string tag;
  bool scheduled = false;  // by a timer, so retention may let go of it; all others are a person's
  std::string scope;       // empty: the whole database; "settings": what a user configured, and no more
  base::Time time{};       // of the database snapshot
  double seconds = 0;      // that the backup took
  std::string host;
  std::string tool_version;
  std::string server_version;     // 17.6 (Debian …)
  int server_version_number = 0;  // 170006
  std::string dump_tool_version;  // of the pg_dump that wrote the schema: 17.6
  std::string role;               // that the backup ran as
  DatabaseProperties database;
  Origin origin;
  std::string migration_version;    // newest row of schema_migrations; empty when there is none
  std::string catalog_fingerprint;  // of the system catalogs: same as before means the same schema
  std::vector<ExtensionInfo> extensions;
  std::vector<std::string> roles;  // that owners and grants of the schema name
  ObjectRef schema;
  std::vector<TableData> tables;
  // With the pg_dump engine: an archive of pg_dump -Fc, piece after piece, that holds everything; `tables`
  // and `sequences` are then empty. Else this is.
  std::vector<ObjectRef> dump;
  std::uint64_t dump_rows = 0;  // that pg_dump saw, counted in the same snapshot
  std::vector<SequenceState> sequences;
  std::vector<std::string> materialized_views;  // quoted names to refresh, in an order that works
  std::vector<CarSummary> cars;
  std::string vault_fingerprint;  // of ENCRYPTION_KEY (teslamate/vault.hh); empty: not known then
  std::vector<CarriedFile> files;

  bool by_pg_dump() const { return !dump.empty(); }
  // Keeps the rows of these tables of `public` alone, and nothing that tells of the others.
  void narrow_to(const std::string& new_scope, std::span<const std::string_view> names);
  std::uint64_t rows() const;
  std::uint64_t plain_bytes() const;
  const TableData* find_table(const std::string& schema, const std::string& name) const;
};

// The bytes of the manifest's file: JSON whose last member is the SHA-256 of all that stands before it.
std::string to_file(const Manifest& manifest);
// Throws damaged for any byte that is not as to_file wrote it, unsupported for a newer format.
Manifest manifest_from_file(const std::string& bytes);

// A snapshot id is a UTC time and four hex digits; anything else never becomes a file name.
bool is_snapshot_id(const std::string& text);

}  // namespace tmb::repository
