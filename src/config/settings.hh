// SPDX-License-Identifier: MIT
// Settings as plain structs: built-in defaults (visible here), then the TOML file, then the environment; the
// flags come last and are applied by cli/. The only user of toml++. Opens no connection and prints nothing.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.hh"
#include "base/process.hh"
#include "base/secret.hh"
#include "config/command_settings.hh"
#include "config/maintenance_settings.hh"
#include "config/operations_settings.hh"
#include "config/secret_settings.hh"

namespace tmb::config {

using Environment = std::map<std::string, std::string>;
Environment process_environment();

inline constexpr std::string_view default_config_file = "/etc/teslamate-backup/config.toml";
inline constexpr std::string_view default_state_dir = "/var/lib/teslamate-backup";
inline constexpr std::string_view default_database = "teslamate";
inline constexpr std::string_view default_role = "teslamate";

// [database]. Empty means: not said. resolve_database() fills the gaps.
struct DatabaseSettings {
  std::string host;  // a name, an address or a socket folder
  std::string port;  // decimal
  std::string name;
  std::string user;     // the database role
  std::string os_user;  // account to connect as when we are root and the server is on a local socket
  std::string ssl_mode;
  std::string ssl_root_certificate;
  std::string pg_bin_dir;  // where pg_dump and pg_restore are; empty: found by the programs
  base::Path password_file;
  base::Path environment_file;  // TeslaMate's own, as systemd's EnvironmentFile=
  base::Secret password;        // never from the config file itself
};

// [repository], but for its path.
struct RepositorySettings {
  std::uint64_t keep_free = 0;  // bytes of its disk that nothing is written into; 0: it may be filled
  bool initialize = true;       // an empty folder becomes a repository without --init
};

// [restore]
struct RestoreSettings {
  std::vector<std::string> units{"teslamate.service"};            // stopped in this order, started in reverse
  std::string health_url = "http://127.0.0.1:4000/health_check";  // empty: not asked
  std::chrono::seconds health_timeout{60};                        // until the address must answer
  std::chrono::seconds settle{5};                                 // that the units must stay up
  unsigned keep_old_days = 7;                                     // that the replaced database is kept
  bool inhibit_sleep = true;        // the machine is asked not to sleep or go down meanwhile
  ServiceCommandSettings commands;  // instead of the units
};

struct Settings {
  DatabaseSettings database;
  RestoreSettings restore;
  HookSettings hooks;
  MaintenanceSettings maintenance;
  RetentionSettings retention;
  GoalSettings goals;
  NotifySettings notify;
  StatusSettings status;
  KeySettings key;
  FileSettings files;
  RepositorySettings store;
  base::Path repository;  // empty: not said
  base::Path state_dir;
  unsigned jobs = 0;  // workers; 0: one for each processor
};

// Reads `config_file`, which must exist; without one, TESLAMATE_BACKUP_CONFIG, which must exist too, or the
// default file, which need not. Throws usage naming file, line and key for an unknown key, a wrong type or a
// value out of range; local_io when the file cannot be read; refused when we are root and somebody else could
// write commands into it.
Settings load(const std::optional<base::Path>& config_file, const Environment& environment);

// What load() makes of the text of a config file, for tests: the file's keys put over `settings`.
void apply_toml(Settings& settings, std::string_view text, const std::string& file_name);
void apply_environment(Settings& settings, const Environment& environment);

// The connection as it will be used. What is still empty comes from the environment file, then from the
// built-in defaults, but where libpq's own variables (PGHOST, PGDATABASE, PGUSER, PGSERVICE …) say it, the
// field stays empty and libpq decides. The password, first found wins: DATABASE_PASS in the environment,
// $CREDENTIALS_DIRECTORY/db-password, password_file, DATABASE_PASS in the environment file, none.
// Throws refused when a file with secrets is open to others, local_io when it cannot be read.
DatabaseSettings resolve_database(const DatabaseSettings& configured, const Environment& environment);

// Where TeslaMate's environment file, which is named, is read from: the credential `environment-file`, else
// itself.
base::Path environment_file_here(const DatabaseSettings& database, const Environment& environment);

// What TeslaMate's environment file says, which must be private. Empty where none is named.
Environment read_environment_file(const DatabaseSettings& database, const Environment& environment);

// The account to connect as: root with a local socket takes `os_user`, else, without a password, the account
// named like the role, else stays root (nullopt). Throws usage when os_user is no account. `database` is
// resolved.
using FindOsUser = std::function<std::optional<base::OsUser>(const std::string&)>;
std::optional<base::OsUser> choose_os_user(const DatabaseSettings& database, const Environment& environment,
                                           bool is_root, const FindOsUser& find = base::find_os_user);

// One line of secret from a file: at most 64 KiB, one newline at its end removed, nothing else. `owners` are
// the accounts, besides root and ours, whose file it may be. Throws refused for a file that group or others
// may read, unless it stands in $CREDENTIALS_DIRECTORY, and for an empty one.
base::Secret read_secret_file(const base::Path& path, const Environment& environment,
                              const std::vector<unsigned>& owners = {});

}  // namespace tmb::config
