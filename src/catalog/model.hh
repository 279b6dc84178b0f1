// SPDX-License-Identifier: MIT
// What is in a database, as plain structs read from pg_catalog in one snapshot. Refuses to know TeslaMate.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tmb::catalog {

struct Table {
  std::uint32_t oid = 0;
  std::string schema;
  std::string name;
  std::vector<std::string> columns;  // in order, without dropped and generated ones
  std::uint64_t pages = 0;           // of the heap, in blocks of the server's size
  bool unlogged = false;
  // Everything but the rows that decides the table's COPY text, as text to be hashed: file node, columns,
  // types, missing values, enum labels. Empty when no such list can be complete (types that print what is
  // stored elsewhere, such as regclass, or that an extension prints): then every chunk is read anew.
  std::string signature;
};

struct Sequence {
  std::string schema;
  std::string name;
  std::string last_value;
  bool is_called = false;
};

struct Extension {
  std::string name;
  std::string version;
  std::string schema;
};

// Something that would not come back from a snapshot of the chunk engine.
struct Obstacle {
  std::string object;  // such as: table public."a b"
  std::string why;
  bool carried_by_pg_dump = false;  // false: nothing that runs as this role can bring it back
};

struct DatabaseFacts {
  std::uint32_t oid = 0;
  std::string name;
  std::string owner;
  std::string encoding;
  std::string collate;
  std::string ctype;
  std::string locale_provider;  // c, i or b
  std::string locale;
  std::string icu_rules;
};

// Identity of the history of the server's files: see repository::Origin.
struct ServerFacts {
  std::string version;  // 17.6 (Debian 17.6-0+deb13u1)
  int version_number = 0;
  std::string system_identifier;
  std::string timeline;
  std::string started;  // the server, and its statistics: those begin anew with every crash recovery
  std::uint64_t oldest_transaction = 0;  // the snapshot's xmin: every earlier one had ended
  std::uint64_t next_transaction = 0;
  std::uint64_t wal_position = 0;
  std::uint32_t block_size = 8192;
};

}  // namespace tmb::catalog
