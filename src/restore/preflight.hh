// SPDX-License-Identifier: MIT
// Everything that would make a restore fail later is looked for while nothing has been changed. Private to
// restore/.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "catalog/admin.hh"
#include "postgres/tools.hh"
#include "repository/source.hh"
#include "restore/session.hh"

namespace tmb::restore {

// What preflight found out and decided.
struct Target {
  std::optional<catalog::DatabaseEntry> live;  // empty: there is no database of that name yet
  catalog::DatabaseFacts facts;                // for CREATE DATABASE
  std::string tablespace;
  std::string staging;          // names that are free
  std::string kept;             // empty without a live database
  std::string live_migration;   // newest migration of the live database, empty when it has none
  std::string newest_live_row;  // newest positions.date there, empty when it has none
  postgres::Tools tools;
  bool tool_connects = true;  // false: pg_restore must not speak to this server itself, see schema.hh
  std::vector<UnitRecord> units;
};

// Throws unsupported, database, refused, service or not_found, each with a hint.
Target preflight(Session& session, const repository::Manifest& manifest);

// The parts that other operations need too.
std::string free_name(Session& session, const std::string& base_name, const std::string& suffix);
std::vector<UnitRecord> preflight_units(Session& session);
// Throws refused when prepared transactions would keep `database` from being renamed; notes what else is in
// the way.
void preflight_rename(Session& session, const catalog::DatabaseEntry& database);

// "20231103" and "9": as numbers. Negative, 0 or positive as the first is lower, equal or higher.
int compare_versions(const std::string& a, const std::string& b);

}  // namespace tmb::restore
