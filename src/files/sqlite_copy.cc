// SPDX-License-Identifier: MIT
#include "files/sqlite_copy.hh"

#include <sqlite3.h>

#include <memory>

#include "base/error.hh"

namespace tmb::files {

using base::Error;
using base::ExitCode;

namespace {

struct Close {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
using Database = std::unique_ptr<sqlite3, Close>;

struct Finish {
  void operator()(sqlite3_backup* backup) const { sqlite3_backup_finish(backup); }
};

struct FreeBytes {
  void operator()(unsigned char* bytes) const { sqlite3_free(bytes); }
};

Database open(const std::string& name, int flags, const std::string& shown) {
  sqlite3* handle = nullptr;
  const int result = sqlite3_open_v2(name.c_str(), &handle, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  Database database(handle);
  if (result != SQLITE_OK)
    throw Error(ExitCode::local_io,
                "cannot open the SQLite database " + shown + ": " + sqlite3_errstr(result));
  return database;
}

}  // namespace

std::string copy_sqlite(const base::Path& path, std::uint64_t limit) {
  const std::string shown = base::printable(path.string());
  constexpr int patience_ms = 10000;
  constexpr int pages_at_once = 4096;
  const Database source = open(path.string(), SQLITE_OPEN_READONLY, shown);
  const Database copy = open(":memory:", SQLITE_OPEN_READWRITE, "in memory");
  sqlite3_busy_timeout(source.get(), patience_ms);
  const std::unique_ptr<sqlite3_backup, Finish> backup(
      sqlite3_backup_init(copy.get(), "main", source.get(), "main"));
  if (!backup) throw Error(ExitCode::internal, std::string("SQLite: ") + sqlite3_errmsg(copy.get()));
  int result = SQLITE_OK;
  for (int waited = 0; result == SQLITE_OK || result == SQLITE_BUSY || result == SQLITE_LOCKED;) {
    result = sqlite3_backup_step(backup.get(), pages_at_once);
    if (result == SQLITE_BUSY || result == SQLITE_LOCKED) {
      if (waited >= patience_ms) break;
      waited += sqlite3_sleep(100);
    }
  }
  if (result == SQLITE_NOTADB || result == SQLITE_CORRUPT)
    throw Error(ExitCode::damaged, shown + " is not a sound SQLite database: " + sqlite3_errstr(result));
  if (result != SQLITE_DONE)
    throw Error(ExitCode::local_io,
                "cannot copy the SQLite database " + shown + ": " + sqlite3_errstr(result));
  sqlite3_int64 size = 0;
  const std::unique_ptr<unsigned char, FreeBytes> bytes(sqlite3_serialize(copy.get(), "main", &size, 0));
  // An empty database has no page at all.
  if (!bytes) return {};
  if (static_cast<std::uint64_t>(size) > limit) {
    throw Error(ExitCode::refused, shown + " is larger than [files] max_mib allows")
        .with_hint("raise max_mib in the settings file");
  }
  return {reinterpret_cast<const char*>(bytes.get()), static_cast<std::size_t>(size)};
}

}  // namespace tmb::files
