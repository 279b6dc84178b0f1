// SPDX-License-Identifier: MIT
#include <unistd.h>

#include "config/maintenance_settings.hh"
#include "config/settings.hh"

namespace tmb::config {

namespace {

std::string value_of(const Environment& environment, const std::string& name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string() : found->second;
}

base::Secret find_cookie(const Settings& settings, const Environment& environment, const Environment& file) {
  if (std::string said = value_of(environment, "RELEASE_COOKIE"); !said.empty())
    return base::Secret(std::move(said));
  const std::string credentials = value_of(environment, "CREDENTIALS_DIRECTORY");
  const base::Path credential = base::Path(credentials) / "release-cookie";
  if (!credentials.empty() && ::access(credential.c_str(), F_OK) == 0) {
    return read_secret_file(credential, environment);
  }
  if (!settings.maintenance.cookie_file.empty()) {
    const auto owner = base::find_os_user(
        settings.maintenance.rpc_user.empty() ? std::string(default_role) : settings.maintenance.rpc_user);
    return read_secret_file(settings.maintenance.cookie_file, environment,
                            owner ? std::vector<unsigned>{owner->uid} : std::vector<unsigned>{});
  }
  return base::Secret(value_of(file, "RELEASE_COOKIE"));
}

}  // namespace

ReleaseAccess resolve_release(const Settings& settings, const Environment& environment) {
  const Environment file = read_environment_file(settings.database, environment);
  ReleaseAccess out;
  out.command = settings.maintenance.rpc_command;
  out.user = settings.maintenance.rpc_user;
  for (const Environment* source : {&file, &environment}) {
    for (const auto& [name, value] : *source) {
      if (name.starts_with("RELEASE_") || name.starts_with("ERL_")) out.environment[name] = value;
    }
  }
  for (const char* name : {"PATH", "HOME", "LANG", "LC_ALL", "TZ", "XDG_RUNTIME_DIR", "DOCKER_HOST"}) {
    if (const std::string value = value_of(environment, name); !value.empty()) out.environment[name] = value;
  }
  out.environment.erase("RELEASE_COOKIE");
  out.cookie = find_cookie(settings, environment, file);
  out.node = settings.maintenance.node.empty() ? value_of(out.environment, "RELEASE_NODE")
                                               : settings.maintenance.node;
  out.environment.erase("RELEASE_NODE");
  return out;
}

}  // namespace tmb::config
