// SPDX-License-Identifier: MIT
#include "postgres/connection.hh"

#include <libpq-fe.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <functional>
#include <thread>

namespace tmb::postgres {

using base::Error;
using base::ExitCode;
using base::printable;

struct Result::Impl {
  explicit Impl(PGresult* raw) : result(raw) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { PQclear(result); }
  PGresult* result;
};

namespace {

using OwnedResult = std::shared_ptr<const Result::Impl>;

// Runs as another account for the calling thread alone: libc's seteuid would change all threads.
class ThreadUser {
 public:
  explicit ThreadUser(const std::optional<base::OsUser>& user) {
    if (!user || user->uid == ::geteuid()) return;
    if (::syscall(SYS_setresuid, -1, user->uid, -1) != 0) {
      throw base::system_error(errno, "cannot connect as the account " + printable(user->name),
                               ExitCode::cannot_connect);
    }
    changed_ = true;
  }
  ThreadUser(const ThreadUser&) = delete;
  ThreadUser& operator=(const ThreadUser&) = delete;
  ~ThreadUser() {
    // Cannot fail: the saved and real user are still root.
    if (changed_) ::syscall(SYS_setresuid, -1, ::getuid(), -1);
  }

 private:
  bool changed_ = false;
};

// libpq's message on one line: what follows a tab there only advises, as our hints do.
std::string trimmed(std::string_view text) {
  std::string line;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto part = text.substr(0, end);
    if (!part.empty() && part.front() != '\t') line += (line.empty() ? "" : "; ") + printable(part);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return line;
}

std::string field(const PGresult* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text == nullptr ? "" : text;
}

[[noreturn]] void throw_lost(PGconn* connection) {
  throw Error(ExitCode::cannot_connect,
              "the connection to the database was lost: " + trimmed(PQerrorMessage(connection)));
}

[[noreturn]] void throw_refused(PGconn* connection, const PGresult* result, const std::stop_token& stop) {
  if (stop.stop_requested()) throw Error(ExitCode::interrupted, "interrupted");
  const std::string sqlstate = field(result, PG_DIAG_SQLSTATE);
  if (sqlstate.empty()) throw_lost(connection);
  // Only the primary message: details and context may hold rows.
  std::string message = "the database refused: " + printable(field(result, PG_DIAG_MESSAGE_PRIMARY));
  const std::string table = field(result, PG_DIAG_TABLE_NAME);
  const std::string constraint = field(result, PG_DIAG_CONSTRAINT_NAME);
  if (!table.empty()) message += " (table " + printable(table) + ")";
  if (!constraint.empty()) message += " (constraint " + printable(constraint) + ")";
  throw DatabaseError(Error(ExitCode::database, message + " [SQLSTATE " + sqlstate + "]"), sqlstate);
}

struct Keywords {
  std::vector<const char*> names;
  std::vector<const char*> values;
  void add(const char* name, const std::string& value) {
    if (value.empty()) return;
    names.push_back(name);
    values.push_back(value.c_str());
  }
};

Keywords keywords(const ConnectionSettings& s) {
  static const std::string ten = "10", five = "5", three = "3", thirty_seconds = "30000";
  Keywords out;
  out.add("host", s.host);
  out.add("port", s.port);
  out.add("dbname", s.database);
  out.add("user", s.user);
  out.add("password", s.password.reveal());
  out.add("passfile", s.passfile);
  out.add("sslmode", s.ssl_mode);
  out.add("sslrootcert", s.ssl_root_certificate);
  out.add("fallback_application_name", s.application_name);
  out.add("connect_timeout", ten);
  // A peer that vanished is noticed after about 30 seconds instead of two hours.
  out.add("keepalives_idle", ten);
  out.add("keepalives_interval", five);
  out.add("keepalives_count", three);
  out.add("tcp_user_timeout", thirty_seconds);
  out.names.push_back(nullptr);
  out.values.push_back(nullptr);
  return out;
}

PGconn* connect_once(const ConnectionSettings& settings) {
  const Keywords words = keywords(settings);
  const ThreadUser user(settings.as_os_user);
  return PQconnectdbParams(words.names.data(), words.values.data(), 0);
}

bool server_is_starting(const ConnectionSettings& settings) {
  const Keywords words = keywords(settings);
  const ThreadUser user(settings.as_os_user);
  return PQpingParams(words.names.data(), words.values.data(), 0) == PQPING_REJECT;
}

std::string where(const ConnectionSettings& s) {
  return printable((s.database.empty() ? "the database" : s.database) +
                   (s.host.empty() ? "" : " on " + s.host) + (s.port.empty() ? "" : " port " + s.port));
}

// What could change a byte of COPY text, hide a row, resolve a name differently or end the session.
// Sources: the list pg_dump sets in setup_connection, and the runtime settings of client connections.
std::string pinned_settings(int version) {
  std::string sql =
      "SET search_path = ''; SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres';"
      "SET extra_float_digits = 3; SET bytea_output = 'hex'; SET timezone = 'UTC'; SET lc_monetary = 'C';"
      "SET xmloption = 'content'; SET standard_conforming_strings = on; SET row_security = off;"
      "SET synchronize_seqscans = off; SET quote_all_identifiers = off; SET jit = off;"
      "SET max_parallel_workers_per_gather = 0; SET default_transaction_read_only = off;"
      "SET default_transaction_isolation = 'read committed'; SET statement_timeout = 0; SET lock_timeout = 0;"
      "SET idle_in_transaction_session_timeout = 0; SET client_min_messages = 'error';";
  if (version >= 140000) sql += "SET idle_session_timeout = 0;";
  if (version >= 170000) sql += "SET transaction_timeout = 0;";
  return sql;
}

}  // namespace

ConnectionSettings ConnectionSettings::with_database(std::string name) const {
  ConnectionSettings copy = *this;
  copy.database = std::move(name);
  return copy;
}

int Result::rows() const { return PQntuples(impl_->result); }
bool Result::is_null(int row, int column) const { return PQgetisnull(impl_->result, row, column) != 0; }
std::string_view Result::text(int row, int column) const {
  return {PQgetvalue(impl_->result, row, column),
          static_cast<std::size_t>(PQgetlength(impl_->result, row, column))};
}
std::int64_t Result::integer(int row, int column) const {
  const std::string_view digits = text(row, column);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    throw Error(ExitCode::internal, "the server answered '" + printable(digits) + "' where a number was due");
  }
  return value;
}
std::uint64_t Result::affected() const {
  const std::string_view digits = PQcmdTuples(const_cast<PGresult*>(impl_->result));
  std::uint64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

struct Connection::Impl {
  Impl(PGconn* raw, std::stop_token token) : connection(raw), stop(std::move(token)) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    on_stop.reset();  // before the connection that it cancels
    PQfreeCancel(cancel);
    free_row();
    PQfinish(connection);
  }

  void free_row() {
    if (row != nullptr) PQfreemem(std::exchange(row, nullptr));
  }

  void check_stop() const {
    if (stop.stop_requested()) throw Error(ExitCode::interrupted, "interrupted");
  }

  OwnedResult checked(PGresult* raw) {
    auto result = std::make_shared<const Result::Impl>(raw);
    const ExecStatusType status = PQresultStatus(raw);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY ||
        status == PGRES_COPY_OUT || status == PGRES_COPY_IN) {
      return result;
    }
    if (raw == nullptr) throw_lost(connection);
    throw_refused(connection, raw, stop);
  }

  // The end of a COPY: the last byte proves nothing, only the results that follow it do.
  OwnedResult final_result() {
    OwnedResult last;
    OwnedResult failed;
    while (PGresult* raw = PQgetResult(connection)) {
      auto result = std::make_shared<const Result::Impl>(raw);
      if (PQresultStatus(raw) != PGRES_COMMAND_OK && !failed) failed = result;
      last = result;
      if (PQstatus(connection) == CONNECTION_BAD) break;
    }
    if (failed) throw_refused(connection, failed->result, stop);
    if (!last) throw_lost(connection);
    return last;
  }

  PGconn* connection;
  std::stop_token stop;
  PGcancel* cancel = nullptr;
  std::optional<std::stop_callback<std::function<void()>>> on_stop;
  char* row = nullptr;
};

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;
Connection::~Connection() = default;

Connection Connection::open(const ConnectionSettings& settings, const std::stop_token& stop) {
  using namespace std::chrono_literals;
  std::unique_ptr<Impl> impl;
  for (int attempt = 0;; ++attempt) {
    impl = std::make_unique<Impl>(connect_once(settings), stop);
    if (PQstatus(impl->connection) == CONNECTION_OK) break;
    impl->check_stop();
    if (attempt >= 20 || !server_is_starting(settings)) {
      throw Error(ExitCode::cannot_connect,
                  "cannot connect to " + where(settings) + ": " + trimmed(PQerrorMessage(impl->connection)))
          .with_hint("check that PostgreSQL runs, and -h, -p, -U, -d or the DATABASE_* settings");
    }
    std::this_thread::sleep_for(500ms);
  }
  PQsetNoticeProcessor(
      impl->connection, [](void*, const char*) {}, nullptr);
  impl->cancel = PQgetCancel(impl->connection);
  if (stop.stop_possible()) {
    impl->on_stop.emplace(stop, [cancel = impl->cancel] {
      std::array<char, 256> ignored{};
      PQcancel(cancel, ignored.data(), ignored.size());
    });
  }
  Connection out(std::move(impl));
  const char* encoding = PQparameterStatus(out.impl_->connection, "server_encoding");
  if (encoding == nullptr || PQsetClientEncoding(out.impl_->connection, encoding) != 0) {
    throw Error(ExitCode::unsupported, "the encoding of " + where(settings) + " is unknown to libpq");
  }
  out.execute(pinned_settings(out.server_version()));
  const Result pid = out.query("SELECT pg_catalog.pg_backend_pid()");
  if (pid.integer(0, 0) != out.backend_pid()) {
    throw Error(ExitCode::refused, "a connection pooler stands between us and " + where(settings))
        .with_hint("connect to PostgreSQL itself: a snapshot has to stay in one session");
  }
  return out;
}

Result Connection::query(const std::string& sql, const std::vector<Parameter>& parameters) {
  impl_->check_stop();
  std::vector<const char*> values;
  values.reserve(parameters.size());
  for (const Parameter& p : parameters) values.push_back(p ? p->c_str() : nullptr);
  return Result(impl_->checked(PQexecParams(impl_->connection, sql.c_str(), static_cast<int>(values.size()),
                                            nullptr, values.data(), nullptr, nullptr, 0)));
}

void Connection::execute(const std::string& sql) {
  impl_->check_stop();
  impl_->checked(PQexec(impl_->connection, sql.c_str()));
}

void Connection::begin_copy_out(const std::string& sql) {
  impl_->check_stop();
  impl_->checked(PQexec(impl_->connection, sql.c_str()));
}

bool Connection::next_copy_row(std::string_view& line) {
  impl_->free_row();
  const int length = PQgetCopyData(impl_->connection, &impl_->row, 0);
  if (length < 0) return false;  // the end or a failure: end_copy_out tells which
  line = {impl_->row, static_cast<std::size_t>(length)};
  return true;
}

std::uint64_t Connection::end_copy_out() { return Result(impl_->final_result()).affected(); }

void Connection::begin_copy_in(const std::string& sql) { begin_copy_out(sql); }

void Connection::send_copy_data(std::string_view bytes) {
  // Small slices: libpq copies each into its own buffer, which grows to the largest it has seen.
  constexpr std::size_t slice = 32768;
  while (!bytes.empty()) {
    const std::string_view part = bytes.substr(0, slice);
    if (PQputCopyData(impl_->connection, part.data(), static_cast<int>(part.size())) != 1) {
      impl_->final_result();
      throw_lost(impl_->connection);
    }
    bytes.remove_prefix(part.size());
  }
}

std::uint64_t Connection::finish_copy_in() {
  if (PQputCopyEnd(impl_->connection, nullptr) != 1) throw_lost(impl_->connection);
  return Result(impl_->final_result()).affected();
}

int Connection::server_version() const { return PQserverVersion(impl_->connection); }
std::string Connection::server_encoding() const { return parameter("server_encoding"); }
std::string Connection::parameter(const char* name) const {
  const char* value = PQparameterStatus(impl_->connection, name);
  return value == nullptr ? "" : value;
}
int Connection::backend_pid() const { return PQbackendPID(impl_->connection); }
bool Connection::in_transaction() const { return PQtransactionStatus(impl_->connection) != PQTRANS_IDLE; }

std::string Connection::identifier(std::string_view name) const {
  char* quoted = PQescapeIdentifier(impl_->connection, name.data(), name.size());
  if (quoted == nullptr) {
    throw Error(ExitCode::database,
                "the name " + printable(name) + " is not valid in the database's encoding");
  }
  std::string out(quoted);
  PQfreemem(quoted);
  return out;
}

std::string Connection::literal(std::string_view text) const {
  char* quoted = PQescapeLiteral(impl_->connection, text.data(), text.size());
  if (quoted == nullptr) {
    throw Error(ExitCode::database,
                "the text " + printable(text) + " is not valid in the database's encoding");
  }
  std::string out(quoted);
  PQfreemem(quoted);
  return out;
}

Transaction::Transaction(Connection& connection, const std::string& mode) : connection_(&connection) {
  connection.execute("BEGIN " + mode);
}

Transaction::~Transaction() {
  if (connection_ == nullptr || !connection_->in_transaction()) return;
  try {
    connection_->execute("ROLLBACK");
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch): the server rolls back when the session ends
  }
}

void Transaction::commit() {
  connection_->execute("COMMIT");
  connection_ = nullptr;
}

}  // namespace tmb::postgres
