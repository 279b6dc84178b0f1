// SPDX-License-Identifier: MIT
#include "config/settings.hh"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <string>

#include "base/error.hh"
#include "config/broken_file.hh"
#include "config/private_file.hh"

namespace tmb::config {

using base::Error;
using base::ExitCode;
using base::printable;

namespace {

constexpr std::uint64_t max_config_bytes = std::uint64_t{1} << 20U;

// Empty when it is not set: an empty variable says nothing.
std::string get(const Environment& environment, const char* name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string() : found->second;
}

bool is_socket_folder(std::string_view host) { return host.starts_with('/') || host.starts_with('@'); }

void check_port(const std::string& port, const std::string& where) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc{} || end != port.data() + port.size() || number == 0 || number > 65535) {
    throw Error(ExitCode::usage, where + ": '" + printable(port) + "' is not a port (1 to 65535)");
  }
}

// What TeslaMate's variables say, as far as `into` has said nothing yet. `where` is for messages.
void fill_from(DatabaseSettings& into, const Environment& environment, const std::string& where) {
  const auto fill = [](std::string& field, const std::string& value) {
    if (field.empty()) field = value;
  };
  const std::string socket_dir = get(environment, "DATABASE_SOCKET_DIR");
  fill(into.host, socket_dir.empty() ? get(environment, "DATABASE_HOST") : socket_dir);
  if (into.port.empty() && !get(environment, "DATABASE_PORT").empty()) {
    into.port = get(environment, "DATABASE_PORT");
    check_port(into.port, where + "DATABASE_PORT");
  }
  fill(into.name, get(environment, "DATABASE_NAME"));
  fill(into.user, get(environment, "DATABASE_USER"));
  // On a socket TeslaMate uses neither the password nor TLS.
  if (!socket_dir.empty()) return;
  if (into.password.empty()) into.password = base::Secret(get(environment, "DATABASE_PASS"));
  // TeslaMate checks the certificate against this authority and not the name in it; "noverify" only encrypts.
  const std::string ssl = get(environment, "DATABASE_SSL");
  const std::string authority = get(environment, "DATABASE_SSL_CA_CERT_FILE");
  if (ssl == "true") {
    if (into.ssl_mode.empty() && authority.empty() && into.ssl_root_certificate.empty()) {
      throw Error(ExitCode::usage, where + "DATABASE_SSL is true but DATABASE_SSL_CA_CERT_FILE is not set");
    }
    fill(into.ssl_mode, "verify-ca");
    fill(into.ssl_root_certificate, authority);
  } else if (ssl == "noverify") {
    fill(into.ssl_mode, "require");
  }
}

// The later layer over the earlier one: what `over` says replaces what `settings` had.
void put_over(DatabaseSettings& settings, DatabaseSettings over) {
  const auto put = [](std::string& field, std::string& value) {
    if (!value.empty()) field = std::move(value);
  };
  put(settings.host, over.host);
  put(settings.port, over.port);
  put(settings.name, over.name);
  put(settings.user, over.user);
  put(settings.ssl_mode, over.ssl_mode);
  put(settings.ssl_root_certificate, over.ssl_root_certificate);
  if (!over.password.empty()) settings.password = std::move(over.password);
}

bool has_commands(const Settings& settings) {
  const HookSettings& h = settings.hooks;
  for (const CommandLine* command :
       {&h.before_backup, &h.after_backup, &h.before_stop, &h.after_start, &h.on_failure,
        &settings.restore.commands.stop, &settings.notify.command}) {
    if (!command->empty()) return true;
  }
  // pg_dump and the others are run from there.
  return !settings.database.pg_bin_dir.empty() ||
         settings.maintenance.rpc_command != MaintenanceSettings{}.rpc_command;
}

// Root runs only what root alone could have written down.
void check_file_of_commands(const base::Path& target) {
  struct stat status {};
  if (::geteuid() != 0 || ::stat(target.c_str(), &status) != 0) return;
  if (status.st_uid == 0 && (status.st_mode & 022U) == 0) return;
  const std::string shown = printable(target.string());
  throw Error(ExitCode::refused, shown + " names commands, and others than root may write to it")
      .with_hint("chown root " + shown + " && chmod go-w " + shown);
}

base::Secret configured_password(const DatabaseSettings& configured, const Environment& environment) {
  if (!configured.password.empty()) return configured.password;
  const std::string credentials = get(environment, "CREDENTIALS_DIRECTORY");
  const base::Path credential = base::Path(credentials) / "db-password";
  if (!credentials.empty() && ::access(credential.c_str(), F_OK) == 0)
    return read_secret_file(credential, environment);
  if (configured.password_file.empty()) return {};
  return read_secret_file(configured.password_file, environment, trusted_owners(configured));
}

struct ConfigFile {
  base::Path path;
  base::Path target;                // NixOS links it into its store
  std::optional<std::string> text;  // nullopt: it is not there and need not be
};

ConfigFile read_config_file(const std::optional<base::Path>& config_file, const Environment& environment) {
  const std::string named = config_file ? config_file->string() : get(environment, "TESLAMATE_BACKUP_CONFIG");
  const bool must_exist = config_file || !named.empty();
  ConfigFile out{must_exist ? base::Path(named) : base::Path(default_config_file), {}, {}};
  std::error_code ignored;
  out.target = std::filesystem::canonical(out.path, ignored);
  out.text = base::read_file_if_there(out.target.empty() ? out.path : out.target, max_config_bytes);
  if (!out.text && must_exist)
    throw Error(ExitCode::local_io, "there is no configuration file " + printable(out.path.string()));
  return out;
}

}  // namespace

Environment process_environment() {
  Environment out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos) out.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return out;
}

void apply_environment(Settings& settings, const Environment& environment) {
  DatabaseSettings said;
  fill_from(said, environment, "");
  put_over(settings.database, std::move(said));
  if (const std::string path = get(environment, "TESLAMATE_BACKUP_REPOSITORY"); !path.empty())
    settings.repository = path;
  if (const std::string path = get(environment, "TESLAMATE_BACKUP_STATE"); !path.empty())
    settings.state_dir = path;
}

Settings load(const std::optional<base::Path>& config_file, const Environment& environment) {
  Settings settings;
  // systemd's StateDirectory= may name several; ours is the first.
  const std::string given = get(environment, "STATE_DIRECTORY");
  settings.state_dir = given.empty() ? std::string(default_state_dir) : given.substr(0, given.find(':'));

  const ConfigFile file = read_config_file(config_file, environment);
  if (file.text) {
    apply_toml(settings, *file.text, file.path.string());
    if (has_commands(settings)) check_file_of_commands(file.target);
  }
  apply_environment(settings, environment);
  return settings;
}

NotifySettings load_notify(const std::optional<base::Path>& config_file, const Environment& environment) {
  const ConfigFile file = read_config_file(config_file, environment);
  NotifySettings out;
  if (file.text) out = notify_of_broken(*file.text);
  if (!out.command.empty()) check_file_of_commands(file.target);
  return out;
}

Environment read_environment_file(const DatabaseSettings& database, const Environment& environment) {
  if (database.environment_file.empty()) return {};
  return read_environment_file(database.environment_file, environment, database);
}

DatabaseSettings resolve_database(const DatabaseSettings& configured, const Environment& environment) {
  DatabaseSettings out = configured;
  out.password = configured_password(configured, environment);
  if (!configured.environment_file.empty()) {
    fill_from(out, read_environment_file(configured.environment_file, environment, configured),
              printable(configured.environment_file.string()) + ": ");
  }
  const bool service = !get(environment, "PGSERVICE").empty();
  if (out.name.empty() && !service && get(environment, "PGDATABASE").empty()) out.name = default_database;
  if (out.user.empty() && !service && get(environment, "PGUSER").empty()) out.user = default_role;
  return out;
}

std::optional<base::OsUser> choose_os_user(const DatabaseSettings& database, const Environment& environment,
                                           bool is_root, const FindOsUser& find) {
  const bool libpq_knows_host =
      !get(environment, "PGHOSTADDR").empty() || !get(environment, "PGSERVICE").empty();
  const std::string host = database.host.empty() ? get(environment, "PGHOST") : database.host;
  const bool local = is_socket_folder(host) || (host.empty() && !libpq_knows_host);
  const bool password = !database.password.empty() || !get(environment, "PGPASSWORD").empty();
  if (!is_root || !local) return std::nullopt;
  if (!database.os_user.empty()) {
    auto account = find(database.os_user);
    if (!account) {
      throw Error(ExitCode::usage,
                  "database.os_user: this system has no account '" + printable(database.os_user) + "'");
    }
    return account;
  }
  if (password) return std::nullopt;
  const std::string role = database.user.empty() ? get(environment, "PGUSER") : database.user;
  return role.empty() ? std::nullopt : find(role);
}

}  // namespace tmb::config
