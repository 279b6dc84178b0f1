// SPDX-License-Identifier: MIT
// Looks at the whole database without changing it and says what is not as it should be: what, how many, why
// it matters, the command that mends it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/file.hh"
#include "base/secret.hh"
#include "postgres/connection.hh"
#include "report/json.hh"
#include "report/reporter.hh"

namespace tmb::teslamate {

struct Finding {
  std::string kind;  // open-drive, orphaned-positions, …; one of a fixed list, for scripts
  std::string what;  // "3 drives have no positions (1, 2, 3)"
  std::uint64_t count = 0;
  std::string why;
  std::string mend;  // a command
};

struct CheckOptions {
  std::string database;  // its name, for the commands
  base::Secret encryption_key;
  // Newest migration of the installed TeslaMate; empty when it is not known.
  std::string installed_migration;
  double stale_open_seconds = 3600;           // an open drive or charge whose last row is older
  double stale_token_seconds = 86400;         // TeslaMate renews them every few hours
  double stale_position_seconds = 7 * 86400;  // a sleeping car has none for days
  std::uint64_t index_waste_bytes = std::uint64_t{8} << 20U;
};

struct CheckReport {
  std::vector<Finding> findings;
  std::uint64_t positions = 0;
  std::uint64_t drives = 0;
  std::uint64_t charges = 0;
  std::string newest_position;
  std::optional<double> newest_age_seconds;
  std::string migration_version;
  std::string vault;  // sentence
  double seconds = 0;
};

// Throws unsupported where the database is not TeslaMate's.
CheckReport check(postgres::Connection& connection, const CheckOptions& options, report::Reporter& reporter);

// For people. Sentences are wrapped at `columns`, commands never; 0: nothing is.
std::vector<std::string> describe(const CheckReport& report, std::size_t columns = 0);
report::Json to_json(const CheckReport& report);

// The newest migration in a release's folder of migrations (20260411070212_name.exs); empty when there is no
// such folder.
std::string newest_migration(const base::Path& folder);
// Where that folder is, seen from the release's command.
base::Path migrations_of(const base::Path& command);

}  // namespace tmb::teslamate
