// SPDX-License-Identifier: MIT
#include "config/private_file.hh"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.hh"
#include "config/environment_file.hh"
#include "config/secret_settings.hh"

namespace tmb::config {

using base::Error;
using base::ExitCode;
using base::printable;

namespace {

constexpr std::uint64_t max_environment_file_bytes = std::uint64_t{16} << 20U;
constexpr std::uint64_t max_secret_bytes = 65536;

std::string get(const Environment& environment, const char* name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string() : found->second;
}

bool is_inside(const base::Path& path, const std::string& folder) {
  if (folder.empty()) return false;
  const base::Path parent = path.lexically_normal().parent_path();
  const base::Path credentials = base::Path(folder + "/").lexically_normal().parent_path();
  return parent == credentials;
}

// A credential of this name that systemd gave us.
std::optional<base::Path> credential(const Environment& environment, const char* name) {
  const std::string folder = get(environment, "CREDENTIALS_DIRECTORY");
  if (folder.empty()) return std::nullopt;
  base::Path path = base::Path(folder) / name;
  return ::access(path.c_str(), F_OK) == 0 ? std::optional(std::move(path)) : std::nullopt;
}

}  // namespace

std::string read_private_file(const base::Path& path, const Environment& environment, std::uint64_t limit,
                              const std::vector<unsigned>& owners) {
  const std::string shown = printable(path.string());
  struct stat status {};
  // Followed: secret managers put links to a folder of their own in place.
  if (::stat(path.c_str(), &status) != 0) throw base::system_error(errno, "cannot read " + shown);
  if (S_ISFIFO(status.st_mode)) {
    throw Error(ExitCode::refused, shown + " is a pipe: what it holds could be read only once")
        .with_hint("name a file that you alone can read");
  }
  if (!is_inside(path, get(environment, "CREDENTIALS_DIRECTORY"))) {
    if ((status.st_mode & 077U) != 0) {
      throw Error(ExitCode::refused, shown + " holds a secret and is open to group or others")
          .with_hint("chmod 600 " + shown);
    }
    const bool ours = status.st_uid == 0 || status.st_uid == ::geteuid() ||
                      std::ranges::find(owners, status.st_uid) != owners.end();
    if (!ours) {
      throw Error(ExitCode::refused, shown + " holds a secret and belongs to another user (uid " +
                                         std::to_string(status.st_uid) + ")")
          .with_hint("give it to root or to the user that runs this program");
    }
  }
  std::error_code error;
  const base::Path target = std::filesystem::canonical(path, error);
  if (error) throw base::system_error(error.value(), "cannot read " + shown);
  return base::read_file(target, limit);
}

std::vector<unsigned> trusted_owners(const DatabaseSettings& database) {
  const std::string name = !database.os_user.empty() ? database.os_user : database.user;
  const auto account = base::find_os_user(name.empty() ? std::string(default_role) : name);
  return account ? std::vector<unsigned>{account->uid} : std::vector<unsigned>{};
}

// A unit that may not read root's file is handed a copy of it.
base::Path environment_file_here(const DatabaseSettings& database, const Environment& environment) {
  return credential(environment, "environment-file").value_or(database.environment_file);
}

Environment read_environment_file(const base::Path& path, const Environment& environment,
                                  const DatabaseSettings& database) {
  const base::Path file = credential(environment, "environment-file").value_or(path);
  const std::string bytes =
      read_private_file(file, environment, max_environment_file_bytes, trusted_owners(database));
  try {
    Environment out;
    for (auto& [name, value] : parse_environment_file(bytes)) out[name] = std::move(value);
    return out;
  } catch (Error& error) {
    throw error.with_context(printable(path.string()));
  }
}

base::Secret read_secret_file(const base::Path& path, const Environment& environment,
                              const std::vector<unsigned>& owners) {
  std::string bytes = read_private_file(path, environment, max_secret_bytes, owners);
  if (bytes.ends_with('\n')) bytes.pop_back();
  const std::string shown = printable(path.string());
  if (bytes.empty()) throw Error(ExitCode::refused, shown + " should hold a secret but is empty");
  if (bytes.find('\0') != std::string::npos)
    throw Error(ExitCode::refused, shown + " has a NUL byte in its secret");
  return base::Secret(std::move(bytes));
}

namespace {

// Byte for byte, but for one newline at the end.
base::Secret read_key_file(const base::Path& path, const Environment& environment) {
  std::string bytes;
  try {
    bytes = read_private_file(path, environment, max_secret_bytes, {});
  } catch (const Error& error) {
    if (error.code() != ExitCode::damaged) throw;  // too long: nothing of the repository is damaged
    throw Error(ExitCode::wrong_key, error.message()).with_hint("name the file with the key");
  }
  if (bytes.ends_with('\n')) bytes.pop_back();
  if (bytes.empty())
    throw Error(ExitCode::wrong_key, printable(path.string()) + " should hold a key but is empty");
  return base::Secret(std::move(bytes));
}

}  // namespace

std::optional<base::Secret> find_repository_key(const KeySettings& settings, const Environment& environment) {
  if (!settings.key_file_flag.empty()) return read_key_file(settings.key_file_flag, environment);
  if (const auto path = credential(environment, "repository-key")) return read_key_file(*path, environment);
  if (!settings.key_file.empty()) return read_key_file(settings.key_file, environment);
  return std::nullopt;
}

base::Secret find_encryption_key(const DatabaseSettings& database, const Environment& environment) {
  constexpr const char* name = "ENCRYPTION_KEY";
  if (std::string value = get(environment, name); !value.empty()) return base::Secret(std::move(value));
  if (const auto path = credential(environment, "encryption-key"))
    return read_secret_file(*path, environment);
  if (database.environment_file.empty()) return {};
  return base::Secret(get(read_environment_file(database.environment_file, environment, database), name));
}

}  // namespace tmb::config
