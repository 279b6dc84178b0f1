// SPDX-License-Identifier: MIT
#include "cli/flags.hh"

#include <charconv>

#include "base/error.hh"

namespace tmb::cli {

using base::Error;
using base::ExitCode;
using base::printable;

namespace {

constexpr unsigned max_jobs = 256;

unsigned number(const std::string& text, const std::string& flag, unsigned least, unsigned most) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most) {
    throw Error(ExitCode::usage, flag + " must be a number from " + std::to_string(least) + " to " +
                                     std::to_string(most) + ", not '" + printable(text) + "'");
  }
  return value;
}

void add_database_flags(CLI::App& app, SharedFlags& flags) {
  const std::string group = "Connection";
  app.add_option("-h,--host", flags.host, "database server: a name or a socket folder")
      ->type_name("HOST")
      ->group(group);
  app.add_option("-p,--port", flags.port, "its port")->type_name("PORT")->group(group);
  app.add_option("-U,--username", flags.user, "role to connect as")->type_name("NAME")->group(group);
  app.add_option("-d,--dbname", flags.database, "name of the database")->type_name("NAME")->group(group);
}

void add_common_flags(CLI::App& app, SharedFlags& flags) {
  const std::string group = "Common";
  app.add_option("--config", flags.config, "settings file instead of /etc/teslamate-backup/config.toml")
      ->type_name("FILE")
      ->group(group);
  app.add_flag("--json", flags.json, "one JSON document on standard output")->group(group);
  auto* quiet = app.add_flag("--quiet", flags.quiet, "only warnings and errors")->group(group);
  app.add_flag("--verbose", flags.verbose, "say more")->group(group)->excludes(quiet);
  app.add_flag("--yes", flags.yes, "answer yes to every question")->group(group);
}

}  // namespace

void add_shared_flags(CLI::App& app, const ProgramInfo& info, SharedFlags& flags) {
  if (info.repository) {
    app.add_option("-r,--repository", flags.repository, "folder of the repository")->type_name("DIR");
    app.add_option("--key-file", flags.key_file, "file with the key or passphrase of an encrypted repository")
        ->type_name("FILE");
    app.add_flag("--accept-repository", flags.accept_repository,
                 "go on with another repository or an older copy than this machine remembers");
  }
  if (info.jobs) {
    app.add_option("-j,--jobs", flags.jobs, "workers at the same time (default: number of processors)")
        ->type_name("N");
  }
  if (info.state) {
    app.add_option("--state-dir", flags.state_dir, "folder for locks and journals")->type_name("DIR");
  }
  if (info.services) {
    app.add_option("--unit", flags.units, "systemd unit to stop meanwhile; may be given several times")
        ->type_name("NAME")
        ->allow_extra_args(false);
    app.add_flag("--no-service", flags.no_service, "stop and start nothing");
  }
  if (info.database) add_database_flags(app, flags);
  add_common_flags(app, flags);
}

void apply_flags(config::Settings& settings, const SharedFlags& flags) {
  const auto put = [](auto& setting, const std::string& flag) {
    if (!flag.empty()) setting = flag;
  };
  put(settings.database.host, flags.host);
  put(settings.database.name, flags.database);
  put(settings.database.user, flags.user);
  put(settings.repository, flags.repository);
  put(settings.key.key_file_flag, flags.key_file);
  settings.key.accept_repository = flags.accept_repository;
  put(settings.state_dir, flags.state_dir);
  if (!flags.port.empty()) settings.database.port = std::to_string(number(flags.port, "--port", 1, 65535));
  if (!flags.jobs.empty()) settings.jobs = number(flags.jobs, "--jobs", 1, max_jobs);
  if (!flags.units.empty()) {
    settings.restore.units = flags.units;
    settings.restore.commands = {};  // somebody who names units means units
  }
}

}  // namespace tmb::cli
