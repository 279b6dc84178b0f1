// SPDX-License-Identifier: MIT
// [maintenance]: how the running TeslaMate is spoken to. Plain data; nothing is started here.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/file.hh"
#include "base/secret.hh"

namespace tmb::config {

struct Settings;

struct MaintenanceSettings {
  // The release's own command up to the expression. In a container: ["podman", "exec", "teslamate",
  // "bin/teslamate", "rpc"]. A name without a slash is looked for in PATH.
  std::vector<std::string> rpc_command{"teslamate", "rpc"};
  std::string rpc_user;    // account that runs it; empty: ours
  std::string node;        // RELEASE_NODE; empty: from the environment, or the release's own
  base::Path cookie_file;  // one line; empty: from the environment, or the release's own
  base::Path migrations;   // folder of the release's migrations; empty: found from the command
};

// How to reach the node, put together from the settings, the environment and TeslaMate's environment file.
struct ReleaseAccess {
  std::vector<std::string> command;
  std::string user;
  std::string node;                                // empty: the release's own
  base::Secret cookie;                             // empty: the release's own
  std::map<std::string, std::string> environment;  // RELEASE_*, ERL_* and the little that any program needs
};

// The cookie, first found wins: RELEASE_COOKIE in the environment, $CREDENTIALS_DIRECTORY/release-cookie,
// cookie_file, RELEASE_COOKIE in the environment file. Throws as resolve_database does.
ReleaseAccess resolve_release(const Settings& settings,
                              const std::map<std::string, std::string>& environment);

}  // namespace tmb::config
