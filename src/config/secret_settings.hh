// SPDX-License-Identifier: MIT
// Settings of the repository's key and of the files that a snapshot carries, as plain structs, and the
// secrets behind them. A secret comes from a private file, a systemd credential or a variable, never from a
// flag.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/file.hh"
#include "base/secret.hh"

namespace tmb::config {

struct DatabaseSettings;

// [repository], and --key-file
struct KeySettings {
  base::Path key_file;             // of the settings file
  base::Path key_file_flag;        // goes before everything else
  bool accept_repository = false;  // --accept-repository: another or an older one than this machine remembers
};

// [files]: what a snapshot of an encrypted repository carries besides the database.
struct FileSettings {
  bool environment_file = true;                       // TeslaMate's own, database.environment_file
  std::vector<base::Path> paths;                      // files and folders
  std::vector<base::Path> sqlite;                     // databases of SQLite, copied as it does itself
  std::vector<std::string> exclude;                   // names, such as "*.log"; of files inside folders
  std::uint64_t max_bytes = std::uint64_t{1} << 30U;  // of all together; more is an error
  bool empty() const { return paths.empty() && sqlite.empty(); }
};

// The passphrase or key file of the repository, first found: --key-file, $CREDENTIALS_DIRECTORY/
// repository-key, [repository] key_file. nullopt when none is named. Throws as read_secret_file does.
std::optional<base::Secret> find_repository_key(const KeySettings& settings,
                                                const std::map<std::string, std::string>& environment);

// ENCRYPTION_KEY as TeslaMate will have it, first found: the environment, $CREDENTIALS_DIRECTORY/
// encryption-key, TeslaMate's environment file. Empty when it is not known here. Throws as read_secret_file
// does.
base::Secret find_encryption_key(const DatabaseSettings& database,
                                 const std::map<std::string, std::string>& environment);

}  // namespace tmb::config
