// SPDX-License-Identifier: MIT
#include "teslamate/close_record.hh"

#include <chrono>

#include "base/error.hh"
#include "teslamate/record_rows.hh"

namespace tmb::teslamate {

using base::Error;
using base::ExitCode;
using postgres::Connection;

namespace {

// The cells of one line of COPY text.
std::vector<std::optional<std::string>> cells_of(std::string_view line) {
  std::vector<std::optional<std::string>> out{std::string()};
  if (line.ends_with('\n')) line.remove_suffix(1);
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\t') {
      out.emplace_back(std::string());
    } else if (line[i] != '\\' || i + 1 == line.size()) {
      *out.back() += line[i];
    } else {
      const char c = line[++i];
      switch (c) {
        case 'N': out.back().reset(); break;
        case 'n': *out.back() += '\n'; break;
        case 'r': *out.back() += '\r'; break;
        case 't': *out.back() += '\t'; break;
        case 'b': *out.back() += '\b'; break;
        case 'f': *out.back() += '\f'; break;
        case 'v': *out.back() += '\v'; break;
        default: *out.back() += c;
      }
    }
  }
  return out;
}

struct Record {
  UndoSection section;
  std::vector<std::optional<std::string>> cells;
};

// The record itself is the one row of the first section.
Record read_record(const UndoReader& file) {
  if (file.sections().empty() || file.rows_of(0) != 1) {
    throw Error(ExitCode::damaged, "the undo file does not hold the one record that it should");
  }
  Record out{file.sections().front(), {}};
  file.read([&](std::size_t section, std::string_view line) {
    if (section == 0) out.cells = cells_of(line);
  });
  if (out.cells.size() != out.section.columns.size()) {
    throw Error(ExitCode::damaged, "the record in the undo file has another number of columns than it says");
  }
  return out;
}

void write_change(const UndoStore& store, const UndoReader& file, const Record& record, std::int64_t id,
                  const std::vector<ColumnChange>& changes, const base::Path& path) {
  UndoWriter writer(path, file.header(), store.seal());
  UndoSection section{record.section.table, Change::changed, {"id"}, {}};
  for (const ColumnChange& change : changes) section.columns.push_back(change.column);
  writer.begin(section);
  std::string line = std::to_string(id);
  for (const ColumnChange& change : changes) line += "\t" + copy_cell(change.before);
  for (const ColumnChange& change : changes) line += "\t" + copy_cell(change.after);
  writer.row(line + "\n");
  writer.end();
  writer.publish();
}

}  // namespace

CloseResult finish_record(const UndoStore& store, const UndoEntry& pending, Connection& connection,
                          bool may_still_happen) {
  base::Path done = pending.path;
  done.replace_extension(".undo");
  const UndoReader file(pending.path, store.seal());
  const Record record = read_record(file);
  const std::int64_t id = file.header().ids.front();
  const postgres::Result now =
      connection.query("SELECT " + column_list(connection, record.section.columns, "t.") + " FROM ONLY " +
                           qualified(connection, record.section.table) + " t WHERE t.id = $1::int8",
                       {std::to_string(id)});
  CloseResult out;
  if (now.rows() == 0) {
    out.deleted = true;
    out.undo = store.confirm(pending.path);
    return out;
  }
  for (std::size_t i = 0; i < record.cells.size(); ++i) {
    const int column = static_cast<int>(i);
    std::optional<std::string> after;
    if (!now.is_null(0, column)) after = now.string(0, column);
    if (after == record.cells[i]) continue;
    out.changes.push_back({record.section.columns[i], record.cells[i], std::move(after)});
  }
  std::error_code error;
  if (!out.changes.empty()) {
    if (!std::filesystem::exists(done, error)) write_change(store, file, record, id, out.changes, done);
    out.undo = done;
  }
  if (!out.changes.empty() || !may_still_happen) store.discard(pending.path);
  return out;
}

std::optional<UndoEntry> settle_close(const UndoStore& store, const UndoEntry& pending,
                                      Connection& connection, base::Time now) {
  const base::Time asked = base::parse_iso_utc(UndoReader(pending.path, store.seal()).header().time);
  const bool may_still_happen = now - asked < std::chrono::days(1);
  const CloseResult result = finish_record(store, pending, connection, may_still_happen);
  if (result.undo.empty()) return may_still_happen ? std::optional(pending) : std::nullopt;
  return UndoEntry{result.undo, pending.name, UndoState::done};
}

}  // namespace tmb::teslamate
