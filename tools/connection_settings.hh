// SPDX-License-Identifier: MIT
// From settings to what postgres/ connects with: the one place where both are known.
#pragma once

#include <unistd.h>

#include "config/settings.hh"
#include "postgres/connection.hh"

namespace tmb::tools {

// Throws as config::resolve_database and config::choose_os_user do.
inline postgres::ConnectionSettings connection_settings(const config::Settings& settings,
                                                        const config::Environment& environment) {
  config::DatabaseSettings database = config::resolve_database(settings.database, environment);
  postgres::ConnectionSettings out;
  out.as_os_user = config::choose_os_user(database, environment, ::geteuid() == 0);
  out.host = std::move(database.host);
  out.port = std::move(database.port);
  out.database = std::move(database.name);
  out.user = std::move(database.user);
  out.password = std::move(database.password);
  out.ssl_mode = std::move(database.ssl_mode);
  out.ssl_root_certificate = std::move(database.ssl_root_certificate);
  return out;
}

}  // namespace tmb::tools
