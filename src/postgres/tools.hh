// SPDX-License-Identifier: MIT
// PostgreSQL's own pg_dump and pg_restore: found, their version known, run as a child process that gets its
// password neither by argument nor by environment. Refuses to know what is in a database.
#pragma once

#include <cstddef>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hh"
#include "base/process.hh"
#include "postgres/connection.hh"

namespace tmb::postgres {

// One folder with a pg_dump and a pg_restore of the same release.
struct Tools {
  std::string folder;
  int major = 0;        // 17
  std::string version;  // 17.6
  std::string path(std::string_view program) const { return folder + "/" + std::string(program); }
};

// The installed tools, in the order of the folders: `configured` alone when it is not empty, else PATH,
// /usr/lib/postgresql/*/bin and /run/current-system/sw/bin. Debian's pg_wrapper links are passed over: which
// release they start depends on their arguments. Throws not_found when `configured` holds no such tools.
std::vector<Tools> find_tools(const std::string& configured);

// The oldest release among `found` that is not older than `needed_major`: 16 for a server 16.9. Throws
// unsupported, naming what was found.
Tools choose_tools(const std::vector<Tools>& found, int needed_major);

// "pg_dump (PostgreSQL) 17.6 (Debian 17.6-0+deb13u1)" to 17 and "17.6"; nullopt for anything else.
struct ToolVersion {
  int major = 0;
  std::string version;
};
std::optional<ToolVersion> parse_tool_version(std::string_view line);

// What a child needs to reach the same database in the same way as Connection::open(settings).
struct ChildAccess {
  std::vector<std::string> environment;  // the whole of it
  std::string conninfo;                  // for --dbname: host, port, user and database, never a password
  base::UniqueFd passfile;               // must live until the child has ended
};
// `options` goes behind PGOPTIONS, such as "-c synchronous_commit=off". Throws usage for a password that no
// password file can hold (a line break).
ChildAccess child_access(const ConnectionSettings& settings, const std::string& options = "");

struct ToolRun {
  std::string program;                 // pg_dump or pg_restore
  std::vector<std::string> arguments;  // without those of the connection
  std::string options;                 // for PGOPTIONS
  bool connects = true;                // false: no --dbname, as for pg_restore -f -
};
// How base/ starts it, without its output. `access` must live until the child has ended.
base::ProcessOptions tool_process(const Tools& tools, const ToolRun& run, const ConnectionSettings& settings,
                                  const ChildAccess& access, const std::stop_token& stop);
// Of what a tool wrote to stderr, the line that says why it failed ("pg_dump: error: …"; before it may stand
// warnings), printable.
std::string first_error(const std::string& errors);

// Runs one to its end and returns what it wrote to stdout, at most `output_limit` bytes. Throws database with
// the first error line when it fails, interrupted when asked to stop, local_io when it cannot be started.
std::string run_tool(const Tools& tools, const ToolRun& run, const ConnectionSettings& settings,
                     std::size_t output_limit, const std::stop_token& stop = {});

}  // namespace tmb::postgres
