// SPDX-License-Identifier: MIT
#include "config/settings.hh"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "base/error.hh"
#include "catch.hh"
#include "folder.hh"

using namespace tmb::config;
using tmb::base::Error;
using tmb::base::ExitCode;
using tmb::base::OsUser;
using tmb::test::ContainsSubstring;
using tmb::test::Folder;

namespace {

std::filesystem::path write(const Folder& folder, const char* name, const std::string& text,
                            mode_t mode = 0600) {
  const auto path = folder / name;
  std::ofstream(path) << text;
  ::chmod(path.c_str(), mode);
  return path;
}

Settings from_toml(const std::string& text) {
  Settings settings;
  apply_toml(settings, text, "c.toml");
  return settings;
}

template <class Action>
Error error_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  return {ExitCode::ok, "no error"};
}

Error toml_error(const std::string& text) {
  return error_of([&] { from_toml(text); });
}

std::optional<OsUser> two_accounts(const std::string& name) {
  if (name == "teslamate") return OsUser{name, 901, 901};
  if (name == "owner") return OsUser{name, 902, 902};
  return std::nullopt;
}

}  // namespace

TEST_CASE("without file and environment the defaults stand") {
  const Settings settings = load(std::nullopt, {{"TESLAMATE_BACKUP_CONFIG", ""}});
  CHECK(settings.restore.units == std::vector<std::string>{"teslamate.service"});
  CHECK(settings.restore.health_url == "http://127.0.0.1:4000/health_check");
  CHECK(settings.state_dir == "/var/lib/teslamate-backup");
  CHECK(settings.repository.empty());
  const DatabaseSettings database = resolve_database(settings.database, {});
  CHECK(database.name == "teslamate");
  CHECK(database.user == "teslamate");
  CHECK(database.host.empty());
  CHECK(database.password.empty());
}

TEST_CASE("every key of the file reaches its setting") {
  const Settings s = from_toml(R"(
state_dir = "/s"
jobs = 3
[database]
host = "/run/postgresql"
port = 5433
name = "n"
user = "u"
password_file = "/p"
environment_file = "/e"
os_user = "o"
ssl_mode = "verify-full"
ssl_root_certificate = "/c"
pg_bin_dir = "/b"
[repository]
path = "/r"
min_free_mib = 2048
initialize = false
[restore]
units = ["a.service", "b.service"]
health_url = ""
health_timeout = 7
settle = 0
keep_old_days = 30
inhibit_sleep = false
)");
  CHECK(s.state_dir == "/s");
  CHECK(s.jobs == 3);
  CHECK(s.database.host == "/run/postgresql");
  CHECK(s.database.port == "5433");
  CHECK(s.database.name == "n");
  CHECK(s.database.user == "u");
  CHECK(s.database.password_file == "/p");
  CHECK(s.database.environment_file == "/e");
  CHECK(s.database.os_user == "o");
  CHECK(s.database.ssl_mode == "verify-full");
  CHECK(s.database.ssl_root_certificate == "/c");
  CHECK(s.database.pg_bin_dir == "/b");
  CHECK(s.repository == "/r");
  CHECK(s.restore.units == std::vector<std::string>{"a.service", "b.service"});
  CHECK(s.restore.health_url.empty());
  CHECK(s.restore.health_timeout.count() == 7);
  CHECK(s.restore.settle.count() == 0);
  CHECK(s.restore.keep_old_days == 30);
  CHECK_FALSE(s.restore.inhibit_sleep);
  CHECK(s.store.keep_free == std::uint64_t{2} << 30U);
  CHECK_FALSE(s.store.initialize);
}

TEST_CASE("an unknown key is refused with its name and line") {
  const Error error = toml_error("jobs = 1\n[restore]\nunit = \"x\"\n");
  CHECK(error.code() == ExitCode::usage);
  CHECK_THAT(error.message(), ContainsSubstring("c.toml, line 3: restore.unit is not a setting"));
  CHECK_THAT(toml_error("[nonsense]\n").message(), ContainsSubstring("line 1: nonsense"));
}

TEST_CASE("a password in the file is refused with the way to do it, and not repeated") {
  const Error error = toml_error("[database]\npassword = \"hunter2\"\n");
  CHECK(error.code() == ExitCode::usage);
  CHECK_THAT(error.hint(), ContainsSubstring("password_file"));
  CHECK(error.message().find("hunter2") == std::string::npos);
}

TEST_CASE("wrong types and values out of range are refused with key and line") {
  for (const char* text :
       {"jobs = \"2\"", "jobs = -1", "jobs = 257", "database = 3", "[restore]\nunits = \"a\"",
        "[restore]\nunits = [1]", "[restore]\nunits = [\"\"]", "[restore]\nsettle = 1.5",
        "[database]\nport = 0", "[database]\nport = 65536", "[database]\nport = \"x\"",
        "[database]\nhost = 1", "[repository]\npath = \"relative\"", "[[database]]\nhost = \"x\""}) {
    INFO(text);
    const Error error = toml_error(text);
    CHECK(error.code() == ExitCode::usage);
    CHECK_THAT(error.message(), ContainsSubstring("line "));
  }
}

TEST_CASE("a file that is no TOML is refused with the line") {
  CHECK_THAT(toml_error("jobs = 1\nx x\n").message(), ContainsSubstring("line 2"));
  CHECK(toml_error("jobs = 1\njobs = 2\n").code() == ExitCode::usage);
  CHECK(toml_error("\xFF\xFE").code() == ExitCode::usage);
}

TEST_CASE("a named file must exist, by flag and by environment") {
  Folder folder;
  CHECK(error_of([&] { load(folder / "no.toml", {}); }).code() == ExitCode::local_io);
  CHECK(error_of([&] {
          load(std::nullopt, {{"TESLAMATE_BACKUP_CONFIG", (folder / "no.toml").string()}});
        }).code() == ExitCode::local_io);
}

TEST_CASE("the environment goes over the file") {
  Folder folder;
  const auto file =
      write(folder, "c.toml", "[database]\nhost=\"a\"\nname=\"b\"\n[repository]\npath=\"/x\"\n");
  const Settings s = load(file, {{"DATABASE_HOST", "h"},
                                 {"TESLAMATE_BACKUP_REPOSITORY", "/r"},
                                 {"TESLAMATE_BACKUP_STATE", "/s"},
                                 {"STATE_DIRECTORY", "/sys:/two"}});
  CHECK(s.database.host == "h");
  CHECK(s.database.name == "b");
  CHECK(s.repository == "/r");
  CHECK(s.state_dir == "/s");
  CHECK(load(file, {{"STATE_DIRECTORY", "/sys:/two"}}).state_dir == "/sys");
}

TEST_CASE("a socket folder in the environment goes over the host and leaves password and TLS out") {
  Settings s;
  apply_environment(s, {{"DATABASE_HOST", "h"},
                        {"DATABASE_SOCKET_DIR", "/run/pg"},
                        {"DATABASE_PASS", "x"},
                        {"DATABASE_SSL", "true"}});
  CHECK(s.database.host == "/run/pg");
  CHECK(s.database.password.empty());
  CHECK(s.database.ssl_mode.empty());
}

TEST_CASE("TeslaMate's TLS variables become libpq's settings") {
  Settings s;
  apply_environment(s, {{"DATABASE_SSL", "true"}, {"DATABASE_SSL_CA_CERT_FILE", "/ca"}});
  CHECK(s.database.ssl_mode == "verify-ca");
  CHECK(s.database.ssl_root_certificate == "/ca");
  Settings t;
  apply_environment(t, {{"DATABASE_SSL", "noverify"}});
  CHECK(t.database.ssl_mode == "require");
  Settings u;
  CHECK(error_of([&] { apply_environment(u, {{"DATABASE_SSL", "true"}}); }).code() == ExitCode::usage);
  apply_environment(u, {{"DATABASE_SSL", "false"}});
  CHECK(u.database.ssl_mode.empty());
}

TEST_CASE("the environment file fills what nobody else said") {
  Folder folder;
  DatabaseSettings configured;
  configured.name = "mine";
  configured.environment_file = write(
      folder, "env", "DATABASE_NAME=theirs\nDATABASE_USER=u\nDATABASE_PASS=\"p w\"\nDATABASE_PORT=5433\n");
  const DatabaseSettings resolved = resolve_database(configured, {});
  CHECK(resolved.name == "mine");
  CHECK(resolved.user == "u");
  CHECK(resolved.port == "5433");
  CHECK(resolved.password.reveal() == "p w");
}

TEST_CASE(
    "of several passwords the environment's is taken, then the credential, the file, the environment file") {
  Folder folder;
  DatabaseSettings configured;
  configured.environment_file = write(folder, "env", "DATABASE_PASS=4\n");
  CHECK(resolve_database(configured, {}).password.reveal() == "4");
  configured.password_file = write(folder, "file", "3\n");
  CHECK(resolve_database(configured, {}).password.reveal() == "3");
  write(folder, "db-password", "2\n", 0444);
  const Environment credentials{{"CREDENTIALS_DIRECTORY", folder.path().string()}};
  CHECK(resolve_database(configured, credentials).password.reveal() == "2");
  configured.password = tmb::base::Secret("1");
  CHECK(resolve_database(configured, credentials).password.reveal() == "1");
}

TEST_CASE("libpq's own variables are left to libpq") {
  const DatabaseSettings a = resolve_database({}, {{"PGDATABASE", "x"}, {"PGUSER", "y"}});
  CHECK(a.name.empty());
  CHECK(a.user.empty());
  const DatabaseSettings b = resolve_database({}, {{"PGSERVICE", "x"}});
  CHECK(b.name.empty());
  CHECK(b.user.empty());
}

TEST_CASE("one newline at the end of a secret is removed, nothing else") {
  Folder folder;
  CHECK(read_secret_file(write(folder, "a", "x\n"), {}).reveal() == "x");
  CHECK(read_secret_file(write(folder, "b", " x \n\n"), {}).reveal() == " x \n");
  CHECK(read_secret_file(write(folder, "c", "x\r\n"), {}).reveal() == "x\r");
  CHECK(read_secret_file(write(folder, "d", "x"), {}).reveal() == "x");
}

TEST_CASE("a secret that others may read, that is empty or binary is refused") {
  Folder folder;
  for (const mode_t mode : {0640U, 0604U, 0620U, 0666U}) {
    CHECK(error_of([&] { read_secret_file(write(folder, "a", "x", mode), {}); }).code() == ExitCode::refused);
  }
  CHECK(error_of([&] { read_secret_file(write(folder, "b", "\n"), {}); }).code() == ExitCode::refused);
  CHECK(error_of([&] { read_secret_file(write(folder, "c", std::string("a\0b", 3)), {}); }).code() ==
        ExitCode::refused);
  CHECK(error_of([&] { read_secret_file(folder / "none", {}); }).code() == ExitCode::local_io);
  CHECK(error_of([&] { read_secret_file(folder.path(), {}); }).code() != ExitCode::ok);
}

TEST_CASE("an environment file that others may read is refused") {
  Folder folder;
  DatabaseSettings configured;
  configured.environment_file = write(folder, "env", "DATABASE_PASS=4\n", 0644);
  CHECK(error_of([&] { resolve_database(configured, {}); }).code() == ExitCode::refused);
}

TEST_CASE("a secret of another user is refused, unless that is the account we connect as") {
  if (::geteuid() != 0) {
    WARN("not run: needs root to give a file away");
    return;
  }
  Folder folder;
  const auto path = write(folder, "a", "x");
  REQUIRE(::chown(path.c_str(), 4242, 4242) == 0);
  CHECK(error_of([&] { read_secret_file(path, {}); }).code() == ExitCode::refused);
  CHECK(read_secret_file(path, {}, {4242}).reveal() == "x");
}

TEST_CASE("root on a local socket connects as the account of the role") {
  DatabaseSettings db;
  db.user = "teslamate";
  CHECK(choose_os_user(db, {}, true, two_accounts)->uid == 901);
  db.host = "/run/postgresql";
  CHECK(choose_os_user(db, {}, true, two_accounts)->uid == 901);
  db.os_user = "owner";
  CHECK(choose_os_user(db, {}, true, two_accounts)->uid == 902);
  db.os_user = "nobody-here";
  CHECK(error_of([&] { choose_os_user(db, {}, true, two_accounts); }).code() == ExitCode::usage);
}

TEST_CASE(
    "over TCP, with a password, without root or without such an account nobody else's account is taken") {
  DatabaseSettings db;
  db.user = "teslamate";
  CHECK_FALSE(choose_os_user(db, {}, false, two_accounts));
  CHECK_FALSE(choose_os_user(db, {{"PGPASSWORD", "x"}}, true, two_accounts));
  CHECK_FALSE(choose_os_user(db, {{"PGHOST", "example.org"}}, true, two_accounts));
  CHECK_FALSE(choose_os_user(db, {{"PGSERVICE", "x"}}, true, two_accounts));
  db.host = "localhost";
  CHECK_FALSE(choose_os_user(db, {}, true, two_accounts));
  db.host = "/run/postgresql";
  db.user = "stranger";
  CHECK_FALSE(choose_os_user(db, {}, true, two_accounts));
  db.user = "teslamate";
  db.password = tmb::base::Secret("x");
  CHECK_FALSE(choose_os_user(db, {}, true, two_accounts));
}
