// SPDX-License-Identifier: MIT
// The result of a backup as a person reads it.
#include <algorithm>

#include "backup/backup.hh"
#include "base/error.hh"

namespace tmb::backup {

namespace {

using report::byte_size;
using report::counted;
using report::grouped;

// Tables with more chunks than one or more rows than this get a line of their own.
constexpr std::uint64_t rows_worth_a_line = 10000;

std::string padded(const std::string& text, std::size_t width, bool right) {
  const std::string gap(text.size() < width ? width - text.size() : 0, ' ');
  return right ? gap + text : text + gap;
}

std::string chunk_text(const TableOutcome& table) {
  const std::uint64_t fresh = table.chunks - table.unchanged;
  std::string out = counted(table.chunks, "chunk", "chunks") + ": ";
  if (fresh == 0) return out + "unchanged";
  if (table.unchanged == 0) return out + "new";
  return out + grouped(table.unchanged) + " unchanged, " + grouped(fresh) + " new";
}

}  // namespace

std::vector<std::string> describe(const Outcome& outcome) {
  const repository::Manifest& m = outcome.manifest;
  std::vector<std::string> lines;
  lines.push_back(base::printable(m.database.name) + " · PostgreSQL " +
                  m.server_version.substr(0, m.server_version.find(' ')) +
                  (m.migration_version.empty() ? "" : " · schema " + m.migration_version));
  std::vector<TableOutcome> shown;
  std::ranges::copy_if(outcome.tables, std::back_inserter(shown),
                       [](const TableOutcome& t) { return t.rows >= rows_worth_a_line; });
  std::ranges::stable_sort(shown, [](const auto& a, const auto& b) { return a.rows > b.rows; });
  if (shown.size() > 12) shown.resize(12);

  std::size_t name_width = 0;
  std::size_t rows_width = 0;
  std::uint64_t rows_shown = 0;
  const std::size_t others = outcome.tables.size() - shown.size();
  const bool some = !shown.empty();
  const std::string rest = counted(others, some ? "other table" : "table", some ? "other tables" : "tables");
  if (others > 0) name_width = rest.size();
  for (const TableOutcome& t : shown) {
    name_width = std::max(name_width, base::printable(t.name).size());
    rows_width = std::max(rows_width, grouped(t.rows).size());
    rows_shown += t.rows;
  }
  for (const TableOutcome& t : shown) {
    lines.push_back("  " + padded(base::printable(t.name), name_width, false) + "  " +
                    padded(grouped(t.rows), rows_width, true) + " rows   " + chunk_text(t));
  }
  if (others > 0) {
    rows_width = std::max(rows_width, grouped(m.rows() - rows_shown).size());
    lines.push_back("  " + padded(rest, name_width, false) + "  " +
                    padded(grouped(m.rows() - rows_shown), rows_width, true) + " rows");
  }
  if (!m.files.empty()) {
    std::uint64_t bytes = 0;
    for (const repository::CarriedFile& file : m.files) bytes += file.bytes;
    lines.push_back("  " + counted(m.files.size(), "file or folder", "files and folders") + " carried, " +
                    byte_size(bytes));
  }
  if (outcome.dry_run) {
    std::uint64_t chunks = 0;
    std::uint64_t unchanged = 0;
    for (const TableOutcome& t : outcome.tables) chunks += t.chunks, unchanged += t.unchanged;
    lines.push_back("dry run: " + counted(m.rows(), "row", "rows") + ", " + grouped(chunks - unchanged) +
                    " of " + counted(chunks, "chunk", "chunks") + " would be read; nothing was written");
    return lines;
  }
  lines.push_back("snapshot " + m.id + ": " + counted(m.rows(), "row", "rows") + ", " +
                  byte_size(outcome.stored_bytes) + " in the repository, " + byte_size(outcome.new_bytes) +
                  " of it new, " + report::duration(m.seconds));
  return lines;
}

}  // namespace tmb::backup
