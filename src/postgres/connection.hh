// SPDX-License-Identifier: MIT
// The only user of libpq: connections whose settings are pinned, results, byte streams of COPY.
// Knows PostgreSQL, not what is in the database. Statements live in catalog/, not here.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hh"
#include "base/process.hh"
#include "base/secret.hh"

namespace tmb::postgres {

struct ConnectionSettings {
  std::string host;      // a name, an address or a socket folder; empty: libpq's default
  std::string port;      // empty: libpq's default
  std::string database;  // empty: libpq's default
  std::string user;      // empty: libpq's default
  base::Secret password;
  std::string passfile;  // empty: libpq's default
  std::string ssl_mode;
  std::string ssl_root_certificate;
  std::string application_name = "teslamate-backup";
  // Connect as this account, for peer authentication; needs root. Applies to the connecting alone.
  std::optional<base::OsUser> as_os_user;

  ConnectionSettings with_database(std::string name) const;
};

// One result set, owned. Rows and columns count from 0.
class Result {
 public:
  struct Impl;
  explicit Result(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

  int rows() const;
  bool is_null(int row, int column) const;
  std::string_view text(int row, int column) const;  // empty for NULL; lives as long as this Result
  std::string string(int row, int column) const { return std::string(text(row, column)); }
  std::int64_t integer(int row, int column) const;  // throws internal when it is not one
  bool boolean(int row, int column) const { return text(row, column) == "t"; }
  std::uint64_t affected() const;  // rows that a command touched

 private:
  std::shared_ptr<const Impl> impl_;
};

using Parameter = std::optional<std::string>;

// One session. Move-only. Not for two threads at once, but for the stop token: when it is asked to stop,
// the running statement is cancelled on the server and ends with Error(interrupted).
// Every function throws Error: cannot_connect when the connection is gone, database with the SQLSTATE in
// the message when the server refuses.
class Connection {
 public:
  // Connects, waits up to 10 seconds for a server that is still starting, and pins every setting that could
  // change a byte or end the session: formats, time zone, search_path (empty), encoding (the server's own),
  // row_security, all timeouts.
  static Connection open(const ConnectionSettings& settings, const std::stop_token& stop = {});

  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;
  ~Connection();

  // Exactly one statement, its parameters sent apart from its text.
  Result query(const std::string& sql, const std::vector<Parameter>& parameters = {});
  // One or more statements, results dropped, the first error thrown.
  void execute(const std::string& sql);

  // COPY … TO STDOUT. Calls `row` for each row (its final newline included) until the end; the view is valid
  // during the call only. Returns the number of rows the server says it sent. An exception from `row` ends
  // the copy and the session.
  template <class Row>
  std::uint64_t copy_out(const std::string& sql, Row&& row) {
    begin_copy_out(sql);
    std::string_view line;
    while (next_copy_row(line)) row(line);
    return end_copy_out();
  }

  // COPY … FROM STDIN, fed piece by piece; pieces need not end at rows. finish_copy_in returns the rows
  // that the server stored.
  void begin_copy_in(const std::string& sql);
  void send_copy_data(std::string_view bytes);
  std::uint64_t finish_copy_in();

  int server_version() const;           // 170006 for 17.6
  std::string server_encoding() const;  // UTF8
  std::string parameter(const char* name) const;
  int backend_pid() const;
  bool in_transaction() const;

  std::string identifier(std::string_view name) const;  // quoted; throws database on invalid bytes
  std::string literal(std::string_view text) const;     // quoted; throws database on invalid bytes

 private:
  struct Impl;
  explicit Connection(std::unique_ptr<Impl> impl);
  void begin_copy_out(const std::string& sql);
  bool next_copy_row(std::string_view& line);
  std::uint64_t end_copy_out();

  std::unique_ptr<Impl> impl_;
};

// Rolls back unless committed.
class Transaction {
 public:
  // `mode` as SQL writes it, such as "ISOLATION LEVEL REPEATABLE READ READ ONLY"; may be empty.
  Transaction(Connection& connection, const std::string& mode);
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();
  void commit();

 private:
  Connection* connection_;
};

// What the server refused, with its SQLSTATE ("55P03"), for callers that treat one state specially.
class DatabaseError : public base::Error {
 public:
  DatabaseError(base::Error error, std::string sqlstate)
      : base::Error(std::move(error)), sqlstate_(std::move(sqlstate)) {}
  const std::string& sqlstate() const { return sqlstate_; }

 private:
  std::string sqlstate_;
};

}  // namespace tmb::postgres
