// SPDX-License-Identifier: MIT
#include "drill/cluster.hh"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <set>
#include <system_error>
#include <thread>

#include "base/child_stream.hh"
#include "base/error.hh"
#include "catalog/admin.hh"
#include "postgres/tools.hh"

namespace tmb::drill {

using base::Error;
using base::ExitCode;
using base::printable;

namespace {

constexpr const char* prefix = "drill-";
constexpr std::size_t most_output = std::size_t{1} << 20U;
constexpr std::chrono::seconds patience{60};

// A folder whose lock is free belongs to a drill that died; its server died with it.
void sweep(const base::Path& cache) {
  std::error_code error;
  std::vector<base::Path> found;
  for (std::filesystem::directory_iterator it(cache, error), end; !error && it != end; it.increment(error)) {
    if (it->path().filename().string().starts_with(prefix) && it->is_directory()) found.push_back(it->path());
  }
  for (const base::Path& folder : found) {
    std::optional<base::FileLock> lock;
    const base::Path file = folder / "lock";
    std::error_code ignored;
    if (std::filesystem::exists(file, ignored)) {
      lock = base::FileLock::try_acquire(file, 0, base::LockMode::exclusive);
      if (!lock) continue;
    }
    std::filesystem::remove_all(folder, ignored);
  }
}

base::Path make_folder(const base::Path& cache) {
  std::string name = (cache / (std::string(prefix) + "XXXXXX")).string();
  if (::mkdtemp(name.data()) == nullptr)
    throw base::system_error(errno, "cannot create a folder in " + printable(cache.string()));
  return name;
}

// While this lives the process stands in a folder that the other account can reach: PostgreSQL's programs, up
// to release 15, look for each other by going away and coming back. Nothing else runs meanwhile.
class StandingIn {
 public:
  explicit StandingIn(const base::Path& folder) : before_(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC)) {
    if (::chdir(folder.c_str()) != 0)
      throw base::system_error(errno, "cannot go into " + printable(folder.string()));
  }
  StandingIn(const StandingIn&) = delete;
  StandingIn& operator=(const StandingIn&) = delete;
  ~StandingIn() {
    if (before_) static_cast<void>(::fchdir(before_.get()) == 0);
  }

 private:
  base::UniqueFd before_;
};

// The account must get through to its folders. Whoever owns the cache otherwise has seen to that.
void let_through(const base::Path& folder) {
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0 || status.st_uid != ::geteuid()) return;
  if (::chmod(folder.c_str(), (status.st_mode & 07777U) | 0111U) != 0)
    throw base::system_error(errno, "cannot let others through " + printable(folder.string()));
}

std::string last_line(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

// The last line of the log of a server that has ended.
std::string last_words(const base::Path& data, base::ChildStream& server) {
  std::array<char, 4096> ignored{};
  while (server.read(ignored) > 0) {
  }
  std::error_code error;
  std::string said = last_line(server.errors());
  for (std::filesystem::directory_iterator it(data / "log", error), end; !error && it != end;
       it.increment(error))
    said = last_line(base::read_file(it->path(), most_output));
  return said.empty() ? "it said nothing" : printable(said);
}

// The server would not start, and say so in its log alone.
void check_socket_path(const base::Path& cache) {
  const base::Path socket = cache / (std::string(prefix) + "XXXXXX") / "socket" / ".s.PGSQL.5432";
  if (socket.string().size() < sizeof(sockaddr_un::sun_path)) return;
  throw Error(ExitCode::local_io, "no throw-away server can be made: " + printable(cache.string()) +
                                      " is too long a name for its socket")
      .with_hint("name a folder with a shorter path: --cache-dir");
}

std::vector<std::string> environment() {
  return {"LC_ALL=C.UTF-8", "PATH=/usr/bin:/bin", "TZ=UTC", "HOME=/"};
}

}  // namespace

struct ThrowAwayCluster::Server {
  explicit Server(const base::ProcessOptions& options) : child(options) {}
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  // At once, but not by SIGKILL: its shared memory would outlive it.
  ~Server() { child.end_with(SIGQUIT, std::chrono::seconds(10)); }
  base::ChildStream child;
};

ThrowAwayCluster::ThrowAwayCluster(const base::Path& cache, const repository::Manifest& manifest,
                                   const std::string& pg_bin_dir, const std::optional<base::OsUser>& account,
                                   const std::stop_token& stop)
    : account_(account), stop_(stop) {
  const postgres::Tools tools =
      postgres::choose_tools(postgres::find_tools(pg_bin_dir), manifest.server_version_number / 10000);
  if (::access(tools.path("initdb").c_str(), X_OK) != 0) {
    throw Error(ExitCode::unsupported,
                "there is no PostgreSQL server in " + printable(tools.folder) + " (no initdb)")
        .with_hint("install the server's package, or name its folder with [database] pg_bin_dir");
  }
  const base::Path absolute = std::filesystem::absolute(cache).lexically_normal();
  check_socket_path(absolute);
  base::make_directory(absolute);
  sweep(absolute);
  folder_ = make_folder(absolute);
  try {
    base::publish_file(folder_ / "lock", "", base::Overwrite::no);
    lock_ = base::FileLock::try_acquire(folder_ / "lock", 0, base::LockMode::exclusive);
    base::make_directory(state_dir());
    initialise(tools.folder);
    start(tools.folder);
    create_roles(manifest);
  } catch (...) {
    server_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
    throw;
  }
}

ThrowAwayCluster::~ThrowAwayCluster() {
  server_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void ThrowAwayCluster::initialise(const std::string& folder_of_programs) {
  for (const char* name : {"data", "socket"}) {
    const base::Path path = folder_ / name;
    base::make_directory(path);
    if (account_ && ::chown(path.c_str(), account_->uid, account_->gid) != 0)
      throw base::system_error(errno, "cannot give away " + printable(path.string()));
  }
  if (account_) let_through(folder_);
  if (account_) let_through(folder_.parent_path());
  base::ProcessOptions options;
  options.argv = {folder_of_programs + "/initdb",
                  "-D",
                  (folder_ / "data").string(),
                  "-U",
                  "postgres",
                  "-A",
                  "trust",
                  "-E",
                  "UTF8",
                  "--locale=C",
                  "--no-sync",
                  "--no-instructions"};
  options.environment = environment();
  options.as_user = account_;
  options.stop = stop_;
  const StandingIn here(folder_);
  const base::ProcessResult result = base::run_process(options, most_output);
  if (result.exit_code == 0) return;
  throw Error(ExitCode::local_io, "no throw-away server can be made: " + printable(last_line(result.errors)))
      .with_hint("the folder " + printable(folder_.parent_path().string()) +
                 " must be reachable by the account that runs the server");
}

void ThrowAwayCluster::start(const std::string& folder_of_programs) {
  const std::string socket = (folder_ / "socket").string();
  base::ProcessOptions options;
  options.argv = {folder_of_programs + "/postgres", "-D", (folder_ / "data").string()};
  // What is lost when this machine dies is thrown away anyhow.
  for (const std::string& setting :
       {"unix_socket_directories=" + socket, std::string("listen_addresses="), std::string("fsync=off"),
        std::string("synchronous_commit=off"), std::string("full_page_writes=off"),
        std::string("wal_level=minimal"), std::string("max_wal_senders=0"), std::string("max_wal_size=4GB"),
        std::string("shared_buffers=256MB"), std::string("autovacuum=off"), std::string("jit=off"),
        std::string("logging_collector=on")}) {
    options.argv.emplace_back("-c");
    options.argv.push_back(setting);
  }
  options.environment = environment();
  options.as_user = account_;
  {
    const StandingIn here(folder_);
    server_ = std::make_unique<Server>(options);
  }
  settings_.host = socket;
  settings_.port = "5432";
  settings_.user = "postgres";
  settings_.database = "postgres";
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    try {
      postgres::Connection::open(settings_, stop_);
      return;
    } catch (const Error& error) {
      if (error.code() != ExitCode::cannot_connect || std::chrono::steady_clock::now() > deadline) throw;
    }
    if (server_->child.has_ended())
      throw Error(ExitCode::local_io, "the throw-away server ended while it started: " +
                                          last_words(folder_ / "data", server_->child));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

void ThrowAwayCluster::create_roles(const repository::Manifest& manifest) {
  postgres::Connection connection = postgres::Connection::open(settings_, stop_);
  std::vector<std::string> wanted = manifest.roles;
  if (!manifest.database.owner.empty()) wanted.push_back(manifest.database.owner);
  const std::vector<std::string> missing = catalog::missing_roles(connection, wanted);
  for (const std::string& role : std::set<std::string>(missing.begin(), missing.end()))
    connection.execute("CREATE ROLE " + connection.identifier(role));
}

}  // namespace tmb::drill
