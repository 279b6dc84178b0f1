// SPDX-License-Identifier: MIT
#include "postgres/tools.hh"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>

#include "base/error.hh"
#include "base/file.hh"

namespace tmb::postgres {

using base::Error;
using base::ExitCode;
using base::printable;

namespace {

namespace fs = std::filesystem;

constexpr std::size_t version_limit = 4096;

std::string from_environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nothing here calls setenv
  return value == nullptr ? "" : value;
}

bool is_program(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error) && ::access(path.c_str(), X_OK) == 0;
}

// A link to Debian's chooser, or something else that is not one release's own program.
bool is_wrapper(const fs::path& path) {
  std::error_code error;
  return fs::canonical(path, error).filename() == "pg_wrapper";
}

std::optional<Tools> tools_in(const fs::path& folder) {
  if (!folder.is_absolute()) return std::nullopt;  // a relative PATH entry means another folder for everyone
  for (const char* program : {"pg_dump", "pg_restore"}) {
    if (!is_program(folder / program) || is_wrapper(folder / program)) return std::nullopt;
  }
  Tools tools{folder.string(), 0, ""};
  base::ProcessOptions options;
  options.environment = {"LC_ALL=C", "PATH=/usr/bin:/bin"};
  for (const char* program : {"pg_dump", "pg_restore"}) {
    options.argv = {tools.path(program), "--version"};
    const base::ProcessResult result = base::run_process(options, version_limit);
    const std::optional<ToolVersion> version = parse_tool_version(result.output);
    if (result.exit_code != 0 || !version) return std::nullopt;
    if (tools.major != 0 && tools.version != version->version) return std::nullopt;
    tools.major = version->major;
    tools.version = version->version;
  }
  return tools;
}

std::vector<fs::path> usual_folders() {
  std::vector<fs::path> out;
  std::string path = from_environment("PATH");
  while (!path.empty()) {
    const std::size_t colon = path.find(':');
    out.emplace_back(path.substr(0, colon));
    path = colon == std::string::npos ? "" : path.substr(colon + 1);
  }
  std::error_code error;
  std::vector<fs::path> debian;
  for (fs::directory_iterator it("/usr/lib/postgresql", error), end; !error && it != end;
       it.increment(error)) {
    debian.push_back(it->path() / "bin");
  }
  std::sort(debian.begin(), debian.end());
  out.insert(out.end(), debian.begin(), debian.end());
  out.emplace_back("/run/current-system/sw/bin");
  return out;
}

// A value of a connection string: quoted, so that any byte may stand in it.
std::string conninfo_part(const std::string& name, const std::string& value) {
  if (value.empty()) return "";
  std::string out = name + "='";
  for (const char c : value) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "' ";
}

// The one line of a password file that fits every connection.
std::string passfile_line(const std::string& password) {
  std::string out = "*:*:*:*:";
  for (const char c : password) {
    if (c == '\n' || c == '\r' || c == '\0') {
      throw Error(ExitCode::usage,
                  "the database password holds a line break, which PostgreSQL's tools cannot be given");
    }
    if (c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\n";
}

// libpq's own settings, which Connection::open obeys too. Not the password: it travels in the password file.
void add_inherited(std::vector<std::string>& environment) {
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (!text.starts_with("PG") || text.starts_with("PGPASSWORD=") || text.starts_with("PGPASSFILE=") ||
        text.starts_with("PGOPTIONS=") || text.starts_with("PGAPPNAME=") || text.starts_with("PGSSLMODE=") ||
        text.starts_with("PGSSLROOTCERT=") || text.starts_with("PGCONNECT_TIMEOUT=") ||
        text.starts_with("PGCLIENTENCODING=")) {
      continue;
    }
    environment.emplace_back(text);
  }
}

}  // namespace

std::optional<ToolVersion> parse_tool_version(std::string_view line) {
  constexpr std::string_view marker = "(PostgreSQL) ";
  const std::size_t at = line.find(marker);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view rest = line.substr(at + marker.size());
  rest = rest.substr(0, rest.find_first_of(" \n"));
  ToolVersion out{0, std::string(rest)};
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), out.major);
  if (error != std::errc() || out.major < 9) return std::nullopt;
  return out;
}

std::vector<Tools> find_tools(const std::string& configured) {
  std::vector<Tools> out;
  if (!configured.empty()) {
    const std::optional<Tools> tools = tools_in(configured);
    if (!tools) {
      throw Error(ExitCode::not_found,
                  "there are no pg_dump and pg_restore of one release in " + printable(configured))
          .with_hint("name the folder that holds PostgreSQL's programs, as `pg_config --bindir` prints it");
    }
    return {*tools};
  }
  for (const fs::path& folder : usual_folders()) {
    std::optional<Tools> tools = tools_in(folder);
    if (tools) out.push_back(std::move(*tools));
  }
  return out;
}

Tools choose_tools(const std::vector<Tools>& found, int needed_major) {
  const Tools* best = nullptr;
  std::string versions;
  for (const Tools& tools : found) {
    versions += (versions.empty() ? "" : ", ") + tools.version + " in " + printable(tools.folder);
    if (tools.major >= needed_major && (best == nullptr || tools.major < best->major)) best = &tools;
  }
  if (best != nullptr) return *best;
  throw Error(ExitCode::unsupported,
              "pg_dump and pg_restore of PostgreSQL " + std::to_string(needed_major) +
                  " or newer are needed; found: " + (versions.empty() ? "none" : versions))
      .with_hint(
          "install the client programs of the server's release, or name their folder in the configuration");
}

ChildAccess child_access(const ConnectionSettings& settings, const std::string& options) {
  ChildAccess out;
  out.environment = {"LC_ALL=C", "PATH=/usr/bin:/bin", "PGCONNECT_TIMEOUT=10",
                     "PGAPPNAME=" + settings.application_name};
  add_inherited(out.environment);
  const auto add = [&](const std::string& name, const std::string& value) {
    if (!value.empty()) out.environment.push_back(name + "=" + value);
  };
  const auto add_or_inherit = [&](const char* name, const std::string& value) {
    add(name, value.empty() ? from_environment(name) : value);
  };
  add_or_inherit("PGSSLMODE", settings.ssl_mode);
  add_or_inherit("PGSSLROOTCERT", settings.ssl_root_certificate);
  const std::string inherited_options = from_environment("PGOPTIONS");
  add("PGOPTIONS", inherited_options + (inherited_options.empty() || options.empty() ? "" : " ") + options);
  if (!settings.as_os_user) add("HOME", from_environment("HOME"));  // for ~/.pgpass and ~/.pg_service.conf

  const std::string password =
      settings.password.empty() ? from_environment("PGPASSWORD") : settings.password.reveal();
  if (!password.empty()) {
    std::optional<unsigned> uid;
    if (settings.as_os_user) uid = settings.as_os_user->uid;
    out.passfile = base::memory_file("pgpass", passfile_line(password), uid);
    add("PGPASSFILE", base::memory_file_path(out.passfile));
  } else {
    add_or_inherit("PGPASSFILE", settings.passfile);
  }
  // In the connection string rather than in PGHOST and so on: a PGSERVICE would win over those.
  out.conninfo = conninfo_part("host", settings.host) + conninfo_part("port", settings.port) +
                 conninfo_part("user", settings.user) + conninfo_part("dbname", settings.database);
  return out;
}

std::string first_error(const std::string& errors) {
  std::size_t at = 0;
  std::string first;
  while (at < errors.size()) {
    const std::size_t end = std::min(errors.find('\n', at), errors.size());
    std::string line = errors.substr(at, end - at);
    if (line.find("error:") != std::string::npos) return printable(line);
    if (first.empty()) first = line;
    at = end + 1;
  }
  return printable(first);
}

base::ProcessOptions tool_process(const Tools& tools, const ToolRun& run, const ConnectionSettings& settings,
                                  const ChildAccess& access, const std::stop_token& stop) {
  base::ProcessOptions options;
  options.argv = {tools.path(run.program)};
  options.argv.insert(options.argv.end(), run.arguments.begin(), run.arguments.end());
  if (run.connects) {
    options.argv.emplace_back("--no-password");
    options.argv.push_back("--dbname=" + access.conninfo);
  }
  options.environment = access.environment;
  options.as_user = settings.as_os_user;
  options.stop = stop;
  return options;
}

std::string run_tool(const Tools& tools, const ToolRun& run, const ConnectionSettings& settings,
                     std::size_t output_limit, const std::stop_token& stop) {
  const ChildAccess access = child_access(settings, run.options);
  const base::ProcessResult result =
      base::run_process(tool_process(tools, run, settings, access, stop), output_limit);
  if (stop.stop_requested()) throw Error(ExitCode::interrupted, "interrupted");
  if (result.exit_code != 0) {
    throw Error(ExitCode::database, run.program + " " + tools.version + " failed with " +
                                        std::to_string(result.exit_code) + ": " + first_error(result.errors));
  }
  return result.output;
}

}  // namespace tmb::postgres
