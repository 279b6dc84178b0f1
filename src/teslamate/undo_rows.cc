// SPDX-License-Identifier: MIT
#include "teslamate/undo_rows.hh"

#include <algorithm>
#include <map>

#include "base/error.hh"
#include "teslamate/closure.hh"
#include "teslamate/record_rows.hh"

namespace tmb::teslamate {

using base::Error;
using base::ExitCode;
using base::printable;
using catalog::Relation;
using postgres::Connection;
using postgres::Result;

namespace {

std::string was(const std::string& column) { return "was_" + column; }
std::string became(const std::string& column) { return "became_" + column; }

// "t.a IS NOT DISTINCT FROM x.a AND …", by the printed text: json has no equality, and equal text is what
// "exactly as it was" means.
std::string same_text(const Connection& connection, const std::vector<std::string>& columns,
                      const std::function<std::string(const std::string&)>& other) {
  std::string out;
  for (const std::string& column : columns) {
    out += (out.empty() ? "" : " AND ") + std::string("t.") + connection.identifier(column) +
           "::text IS NOT DISTINCT FROM x." + connection.identifier(other(column)) + "::text";
  }
  return out;
}

// As it came, but for what was empty then: TeslaMate fills in elevations and addresses later.
std::string same_or_filled(const Connection& connection, const std::vector<std::string>& columns) {
  std::string out;
  for (const std::string& column : columns) {
    out += out.empty() ? "coalesce(x." : " AND coalesce(x.";
    out += connection.identifier(column) + "::text = t.";
    out += connection.identifier(column) + "::text, x.";
    out += connection.identifier(column) + " IS NULL)";
  }
  return out;
}

std::string itself(const std::string& column) { return column; }

std::string same_key(const Connection& connection, const std::vector<std::string>& key) {
  std::string out;
  for (const std::string& column : key) {
    out += (out.empty() ? "t." : " AND t.") + connection.identifier(column) + " = x." +
           connection.identifier(column);
  }
  return out;
}

const catalog::RelationLayout& layout_of(const catalog::Layout& layout, const Relation& table) {
  const catalog::RelationLayout* found = layout.find(table);
  if (found == nullptr) {
    throw Error(ExitCode::unsupported, "the table " + printable(table.text()) + " is not there any more");
  }
  return *found;
}

void require_columns(const catalog::Layout& layout, const UndoSection& section) {
  layout_of(layout, section.table);
  for (const auto* list : {&section.key, &section.columns}) {
    for (const std::string& column : *list) {
      if (layout.has(section.table, column)) continue;
      throw Error(ExitCode::unsupported, "the column " + printable(column) + " of " +
                                             printable(section.table.text()) + " is not there any more")
          .with_hint("restore the snapshot from before into a new database: teslamate-restore --as-database");
    }
  }
}

std::vector<std::string> key_of(const catalog::Layout& layout, const UndoSection& section) {
  if (section.change == Change::changed) return section.key;
  const auto& key = layout_of(layout, section.table).primary_key;
  return key.empty() ? section.columns : key;
}

bool has_key(const catalog::Layout& layout, const UndoSection& section) {
  return section.change == Change::changed || !layout_of(layout, section.table).primary_key.empty();
}

// A row as one text, equal for equal rows, NULLs included: what tells rows apart that have no primary key.
std::string row_text(const Connection& connection, const std::vector<std::string>& columns,
                     const std::string& alias) {
  std::string out;
  for (const std::string& column : columns) {
    out += (out.empty() ? "ROW(" : ", ") + alias + "." + connection.identifier(column) + "::text";
  }
  return out + ")::text";
}

// The row x of the file is the row t of the table.
std::string same_row(const Connection& connection, const catalog::Layout& layout,
                     const UndoSection& section) {
  if (has_key(layout, section)) return same_key(connection, key_of(layout, section));
  return row_text(connection, section.columns, "t") + " = " + row_text(connection, section.columns, "x");
}

std::string create_copy(Connection& connection, const UndoSection& section, const std::string& table,
                        std::size_t number) {
  const std::string name = "tmb_undo_" + std::to_string(number);
  std::string columns =
      column_list(connection, section.change == Change::changed ? section.key : section.columns, "");
  if (section.change == Change::changed) {
    for (const auto& to : {&was, &became}) {
      for (const std::string& column : section.columns) {
        columns += ", " + connection.identifier(column) + " AS " + connection.identifier(to(column));
      }
    }
  }
  connection.execute("CREATE TEMPORARY TABLE " + name + " ON COMMIT DROP AS SELECT " + columns +
                     " FROM ONLY " + table + " WITH NO DATA");
  return "pg_temp." + name;
}

// Conflicts as the rows' keys: a query that selects one text column.
void collect(Connection& connection, const std::string& query, const std::string& before,
             const std::string& after, std::size_t most, std::vector<std::string>& out) {
  if (out.size() >= most) return;
  const Result rows = connection.query(query + " LIMIT " + std::to_string(most - out.size()));
  for (int row = 0; row < rows.rows(); ++row) {
    out.push_back(before);
    out.back().append(printable(rows.text(row, 0))).append(after);
  }
}

std::string key_text(const Connection& connection, const std::vector<std::string>& key, const char* alias) {
  return "concat_ws(', ', " + column_list(connection, key, std::string(alias) + ".") + ")";
}

// Of rows that are equal in everything, as many as are missing.
std::string to_do_without_key(const Connection& connection, const LoadedSection& s) {
  const std::string in_file = row_text(connection, s.section.columns, "x");
  return " FROM (SELECT x.*, " + in_file + " AS tmb_row, row_number() OVER (PARTITION BY " + in_file +
         ") AS tmb_number FROM " + s.copy + " x) x LEFT JOIN (SELECT " +
         row_text(connection, s.section.columns, "t") + " AS tmb_row, count(*) AS tmb_rows FROM ONLY " +
         s.table + " t GROUP BY 1) there USING (tmb_row) WHERE x.tmb_number > coalesce(there.tmb_rows, 0)";
}

// The rows of the file whose deletion is taken back and that are not there.
std::string to_do(const Connection& connection, const catalog::Layout& layout, const LoadedSection& s) {
  if (!has_key(layout, s.section)) return to_do_without_key(connection, s);
  return " FROM " + s.copy + " x WHERE NOT EXISTS (SELECT FROM ONLY " + s.table + " t WHERE " +
         same_row(connection, layout, s.section) + ")";
}

void find_unique_conflicts(Connection& connection, const catalog::Layout& layout, const LoadedSection& s,
                           std::size_t most, std::vector<std::string>& out) {
  const catalog::RelationLayout& table = layout_of(layout, s.section.table);
  const auto key = key_of(layout, s.section);
  for (const catalog::UniqueKey& unique : table.unique_keys) {
    const bool known = std::ranges::all_of(unique.columns, [&](const std::string& column) {
      return std::ranges::find(s.section.columns, column) != s.section.columns.end();
    });
    if (!known) continue;
    collect(connection,
            "SELECT " + key_text(connection, key, "t") + " FROM " + s.copy + " x JOIN ONLY " + s.table +
                " t ON " + same_key(connection, unique.columns) + " WHERE NOT (" +
                same_row(connection, layout, s.section) + ")",
            printable(s.section.table.text()) + " ",
            " has the same " + printable(unique.columns.front()) + " (" + printable(unique.name) + ")", most,
            out);
  }
}

// Rows of the file whose `key` points at nothing, neither in the database nor among those that come back.
std::string missing_parents(const Connection& connection, const catalog::Layout& layout,
                            const catalog::ForeignKey& key, const LoadedSection& s,
                            const std::vector<LoadedSection>& all) {
  const std::string& column = key.columns.front();
  const std::string value =
      "x." + connection.identifier(s.section.change == Change::changed ? was(column) : column);
  const std::string compared =
      " p WHERE p." + connection.identifier(key.referenced_columns.front()) + " = " + value + ")";
  std::string out = "SELECT concat(" + key_text(connection, key_of(layout, s.section), "x") +
                    ", ' needs ', " + value + ") FROM " + s.copy + " x WHERE " + value +
                    " IS NOT NULL AND NOT EXISTS (SELECT FROM ONLY " + qualified(connection, key.referenced) +
                    compared;
  for (const LoadedSection& other : all) {
    if (other.section.table != key.referenced || other.section.change != Change::deleted) continue;
    out += " AND NOT EXISTS (SELECT FROM " + other.copy;
    out += compared;
  }
  return out;
}

// What a row of the file refers to must be there, or come back with it.
void find_missing_parents(Connection& connection, const catalog::Layout& layout, const LoadedSection& s,
                          const std::vector<LoadedSection>& all, std::size_t most,
                          std::vector<std::string>& out) {
  for (const catalog::ForeignKey& fk : layout.foreign_keys) {
    if (fk.table != s.section.table || fk.columns.size() != 1) continue;
    if (std::ranges::find(s.section.columns, fk.columns.front()) == s.section.columns.end()) continue;
    collect(connection, missing_parents(connection, layout, fk, s, all),
            printable(s.section.table.text()) + " ",
            " of " + printable(fk.referenced.text()) + ", which is not there any more", most, out);
  }
}

void find_section_conflicts(Connection& connection, const catalog::Layout& layout, LoadedSection& s,
                            const std::vector<LoadedSection>& all, std::size_t most,
                            std::vector<std::string>& out) {
  const auto key = key_of(layout, s.section);
  const std::string joined =
      " FROM " + s.copy + " x JOIN ONLY " + s.table + " t ON " + same_row(connection, layout, s.section);
  const std::string name = printable(s.section.table.text()) + " ";
  const std::string key_in_file = "SELECT " + key_text(connection, key, "x");
  if (s.section.change == Change::deleted) {
    const std::string same = same_text(connection, s.section.columns, itself);
    const auto missing = static_cast<std::uint64_t>(
        connection.query("SELECT count(*)" + to_do(connection, layout, s)).integer(0, 0));
    s.already = s.rows - std::min(s.rows, missing);
    collect(connection, key_in_file + joined + " AND NOT (" + same + ")", name,
            " is there with other content", most, out);
    find_unique_conflicts(connection, layout, s, most, out);
    find_missing_parents(connection, layout, s, all, most, out);
    return;
  }
  if (s.section.change == Change::inserted) {
    const std::string same = same_or_filled(connection, s.section.columns);
    const auto there = static_cast<std::uint64_t>(connection.query("SELECT count(*)" + joined).integer(0, 0));
    s.already = s.rows - std::min(s.rows, there);
    collect(connection, key_in_file + joined + " AND NOT (" + same + ")", name, " was changed since", most,
            out);
    return;
  }
  const std::string as_was = same_text(connection, s.section.columns, was);
  const std::string as_became = same_text(connection, s.section.columns, became);
  s.already = static_cast<std::uint64_t>(
      connection.query("SELECT count(*)" + joined + " AND " + as_was).integer(0, 0));
  collect(connection, key_in_file + joined + " AND NOT (" + as_was + ") AND NOT (" + as_became + ")", name,
          " was changed since", most, out);
  collect(connection,
          key_in_file + " FROM " + s.copy + " x WHERE NOT EXISTS (SELECT FROM ONLY " + s.table + " t WHERE " +
              same_row(connection, layout, s.section) + ")",
          name, " is not there any more", most, out);
  find_missing_parents(connection, layout, s, all, most, out);
}

std::string insert_statement(const Connection& connection, const catalog::Layout& layout,
                             const LoadedSection& s) {
  const std::string columns = column_list(connection, s.section.columns, "");
  return "INSERT INTO " + s.table + " (" + columns + ") OVERRIDING SYSTEM VALUE SELECT " +
         column_list(connection, s.section.columns, "x.") + to_do(connection, layout, s) + " RETURNING 1";
}

std::string delete_statement(const Connection& connection, const catalog::Layout& layout,
                             const LoadedSection& s) {
  return "DELETE FROM ONLY " + s.table + " t USING " + s.copy + " x WHERE " +
         same_row(connection, layout, s.section) + " RETURNING 1";
}

std::string update_statement(const Connection& connection, const catalog::Layout& layout,
                             const LoadedSection& s) {
  std::string set;
  for (const std::string& column : s.section.columns) {
    set += (set.empty() ? "" : ", ") + connection.identifier(column) + " = x." +
           connection.identifier(was(column));
  }
  return "UPDATE ONLY " + s.table + " t SET " + set + " FROM " + s.copy + " x WHERE " +
         same_row(connection, layout, s.section) + " AND NOT (" +
         same_text(connection, s.section.columns, was) + ")";
}

// What came may meanwhile be needed by other rows; deleting it would take them along or empty them.
void refuse_needed(Connection& connection, const catalog::Layout& layout,
                   const std::vector<LoadedSection>& sections) {
  Closure closure(connection, layout);
  std::map<Relation, std::uint64_t> own;
  for (const LoadedSection& s : sections) {
    if (s.section.change != Change::inserted || s.rows == 0) continue;
    closure.add(s.section.table,
                "EXISTS (SELECT FROM " + s.copy + " x WHERE " + same_row(connection, layout, s.section) + ")",
                {});
    own[s.section.table] = s.rows - s.already;
  }
  closure.finish();
  std::string in_the_way = closure.obstacles().empty() ? "" : closure.obstacles().front();
  for (const RowSet& set : closure.deleted()) {
    if (set.rows <= own[set.table]) continue;
    in_the_way = report::counted(set.rows - own[set.table], "row", "rows") + " of " +
                 printable(set.table.text()) + " came since and would go, too";
  }
  for (const EmptiedSet& set : closure.emptied()) {
    in_the_way = report::counted(set.rows.rows, "row", "rows") + " of " + printable(set.rows.table.text()) +
                 " refer to what came (" + printable(set.key.name) + ")";
  }
  if (in_the_way.empty()) return;
  throw Error(ExitCode::refused, in_the_way)
      .with_state("nothing was changed")
      .with_hint("delete or change those rows first, then run it again");
}

// All of one kind in one statement: only its end has to satisfy the constraints, so that rows that refer to
// each other need no order.
std::uint64_t run_together(Connection& connection, const catalog::Layout& layout,
                           const std::vector<LoadedSection>& sections, Change kind) {
  std::string parts;
  std::string sum;
  for (const LoadedSection& s : sections) {
    if (s.section.change != kind || s.rows == 0) continue;
    const std::string name = "c" + std::to_string(&s - sections.data());
    parts += (parts.empty() ? "WITH " : ", ") + name + " AS (" +
             (kind == Change::deleted ? insert_statement(connection, layout, s)
                                      : delete_statement(connection, layout, s)) +
             ")";
    sum += (sum.empty() ? " SELECT " : " + ") + ("(SELECT count(*) FROM " + name + ")");
  }
  return parts.empty() ? 0 : static_cast<std::uint64_t>(connection.query(parts + sum).integer(0, 0));
}

}  // namespace

std::vector<LoadedSection> load_sections(Connection& connection, const catalog::Layout& layout,
                                         const UndoReader& file, report::Reporter& reporter) {
  std::vector<LoadedSection> out;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < file.sections().size(); ++i) {
    const UndoSection& section = file.sections()[i];
    require_columns(layout, section);
    const std::string table = qualified(connection, section.table);
    out.push_back({section, table, create_copy(connection, section, table, i), file.rows_of(i), 0});
    total += file.rows_of(i);
  }
  reporter.begin_phase("reading", "the rows as they were", total, report::Unit::rows);
  std::optional<std::size_t> open;
  std::uint64_t rows = 0;
  file.read([&](std::size_t section, std::string_view line) {
    if (open != section) {
      if (open) connection.finish_copy_in();
      connection.begin_copy_in("COPY " + out[section].copy + " FROM STDIN");
      open = section;
    }
    connection.send_copy_data(line);
    if (++rows % 4096 == 0) reporter.progress(rows);
  });
  if (open) connection.finish_copy_in();
  for (const LoadedSection& s : out) connection.execute("ANALYZE " + s.copy);
  reporter.end_phase(report::counted(rows, "row", "rows"));
  return out;
}

std::vector<std::string> find_conflicts(Connection& connection, const catalog::Layout& layout,
                                        std::vector<LoadedSection>& sections, std::size_t most) {
  std::vector<std::string> out;
  for (LoadedSection& s : sections) {
    if (s.rows > 0) find_section_conflicts(connection, layout, s, sections, most, out);
  }
  return out;
}

std::uint64_t apply_sections(Connection& connection, const catalog::Layout& layout,
                             const std::vector<LoadedSection>& sections) {
  std::uint64_t rows = run_together(connection, layout, sections, Change::deleted);
  for (const LoadedSection& s : sections) {
    if (s.section.change != Change::changed || s.rows == 0) continue;
    rows += connection.query(update_statement(connection, layout, s)).affected();
  }
  refuse_needed(connection, layout, sections);
  rows += run_together(connection, layout, sections, Change::inserted);
  for (const LoadedSection& s : sections) {
    if (s.section.change != Change::deleted) continue;
    for (const std::string& column : key_of(layout, s.section)) {
      catalog::raise_sequence(connection, s.section.table, column);
    }
  }
  return rows;
}

}  // namespace tmb::teslamate
