// SPDX-License-Identifier: MIT
#include "teslamate/record_rows.hh"

#include "base/error.hh"

namespace tmb::teslamate {

using base::Error;
using base::ExitCode;
using postgres::Connection;

namespace {

void copy_section(Connection& connection, const UndoSection& section, const std::string& select,
                  std::uint64_t expected, UndoWriter& writer, report::Reporter& reporter) {
  writer.begin(section);
  std::uint64_t rows = 0;
  connection.copy_out("COPY (" + select + ") TO STDOUT", [&](std::string_view line) {
    writer.row(line);
    if (++rows % 4096 == 0) reporter.progress(writer.rows());
  });
  writer.end();
  if (rows != expected) {
    throw Error(ExitCode::internal, "of " + section.table.text() + " " + std::to_string(rows) +
                                        " rows were kept where " + std::to_string(expected) + " go");
  }
}

}  // namespace

std::string column_list(const Connection& connection, const std::vector<std::string>& columns,
                        const std::string& prefix) {
  std::string out;
  for (const std::string& column : columns) {
    out += (out.empty() ? "" : ", ") + prefix + connection.identifier(column);
  }
  return out;
}

void record_closure(Connection& connection, const catalog::Layout& layout, const Closure& closure,
                    UndoWriter& writer, report::Reporter& reporter) {
  std::uint64_t total = 0;
  for (const RowSet& set : closure.deleted()) total += set.rows;
  for (const EmptiedSet& set : closure.emptied()) total += set.rows.rows;
  reporter.begin_phase("keeping", "the rows for an undo", total, report::Unit::rows);
  for (const RowSet& set : closure.deleted()) {
    const catalog::RelationLayout* table = layout.find(set.table);
    if (table == nullptr) throw Error(ExitCode::internal, "unknown table " + set.table.text());
    copy_section(connection, {set.table, Change::deleted, {}, table->columns},
                 "SELECT " + column_list(connection, table->columns, "t.") + " FROM ONLY " +
                     qualified(connection, set.table) + " t JOIN " + set.set + " s ON t.ctid = s.place",
                 set.rows, writer, reporter);
  }
  for (const EmptiedSet& set : closure.emptied()) {
    const catalog::RelationLayout* table = layout.find(set.rows.table);
    if (table == nullptr) throw Error(ExitCode::internal, "unknown table " + set.rows.table.text());
    std::string empty;
    for (std::size_t i = 0; i < set.key.columns.size(); ++i) empty += ", NULL";
    copy_section(connection, {set.rows.table, Change::changed, table->primary_key, set.key.columns},
                 "SELECT " + column_list(connection, table->primary_key, "t.") + ", " +
                     column_list(connection, set.key.columns, "t.") + empty + " FROM ONLY " +
                     qualified(connection, set.rows.table) + " t JOIN " + set.rows.set +
                     " s ON t.ctid = s.place",
                 set.rows.rows, writer, reporter);
  }
  reporter.end_phase(report::counted(writer.rows(), "row", "rows"));
}

}  // namespace tmb::teslamate
