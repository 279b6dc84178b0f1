// SPDX-License-Identifier: MIT
#include "teslamate/closure.hh"

#include <algorithm>
#include <deque>

#include "base/error.hh"
#include "report/reporter.hh"

namespace tmb::teslamate {

using base::Error;
using base::ExitCode;
using catalog::ForeignKey;
using catalog::OnDelete;
using catalog::Relation;
using postgres::Connection;
using postgres::Parameter;

namespace {

// Up to so many keys are sent as a list, which the planner sees through; more are joined.
constexpr std::uint64_t most_listed = 1000;

std::uint64_t count_of(Connection& connection, const std::string& set) {
  return static_cast<std::uint64_t>(connection.query("SELECT count(*) FROM " + set).integer(0, 0));
}

}  // namespace

Closure::Closure(Connection& connection, const catalog::Layout& layout)
    : connection_(connection), layout_(layout) {}

std::string Closure::new_set() {
  const std::string name = "tmb_rows_" + std::to_string(++sets_);
  connection_.execute("CREATE TEMPORARY TABLE " + name + " (place tid) ON COMMIT DROP");
  return "pg_temp." + name;
}

RowSet& Closure::set_for(const Relation& table) {
  const auto found = std::ranges::find(deleted_, table, &RowSet::table);
  if (found != deleted_.end()) return *found;
  return deleted_.emplace_back(RowSet{table, new_set(), 0});
}

std::uint64_t Closure::rows_of(const Relation& table) const {
  const auto found = std::ranges::find(deleted_, table, &RowSet::table);
  return found == deleted_.end() ? 0 : found->rows;
}

std::string Closure::set_of(const Relation& table) const {
  const auto found = std::ranges::find(deleted_, table, &RowSet::table);
  return found == deleted_.end() || found->rows == 0 ? "" : found->set;
}

// A query for the places of the rows (alias r) that refer by `key` to rows of the set.
std::string Closure::referring_rows(const ForeignKey& key, const std::string& of_set,
                                    std::uint64_t count) const {
  const std::string referring = qualified(connection_, key.table);
  const std::string referenced = qualified(connection_, key.referenced);
  if (key.columns.size() == 1 && count <= most_listed) {
    const auto values = connection_.query(
        "SELECT array_agg(DISTINCT t." + connection_.identifier(key.referenced_columns.front()) +
        ")::text FROM ONLY " + referenced + " t JOIN " + of_set + " s ON t.ctid = s.place");
    if (values.is_null(0, 0)) return "SELECT r.ctid FROM ONLY " + referring + " r WHERE false";
    return "SELECT r.ctid FROM ONLY " + referring + " r WHERE r." +
           connection_.identifier(key.columns.front()) + " = ANY (" + connection_.literal(values.text(0, 0)) +
           ")";
  }
  std::string same;
  for (std::size_t i = 0; i < key.columns.size(); ++i) {
    same += std::string(same.empty() ? "" : " AND ") + "r." + connection_.identifier(key.columns[i]) +
            " = t." + connection_.identifier(key.referenced_columns[i]);
  }
  return "SELECT r.ctid FROM ONLY " + referring + " r JOIN ONLY " + referenced + " t ON " + same + " JOIN " +
         of_set + " s ON t.ctid = s.place";
}

void Closure::spread(const Relation& from) {
  std::deque<Relation> grown{from};
  while (!grown.empty()) {
    const RowSet source = set_for(grown.front());
    grown.pop_front();
    for (const ForeignKey& key : layout_.foreign_keys) {
      if (key.referenced != source.table || key.on_delete != OnDelete::cascade) continue;
      const std::string rows = referring_rows(key, source.set, source.rows);
      RowSet& target = set_for(key.table);
      const std::uint64_t added =
          connection_
              .query("INSERT INTO " + target.set + " (" + rows + ") EXCEPT SELECT place FROM " + target.set)
              .affected();
      if (added == 0) continue;
      target.rows += added;
      connection_.execute("ANALYZE " + target.set);
      grown.push_back(key.table);
    }
  }
}

void Closure::add(const Relation& table, const std::string& condition,
                  const std::vector<Parameter>& parameters) {
  RowSet& set = set_for(table);
  set.rows +=
      connection_
          .query("INSERT INTO " + set.set + " SELECT t.ctid FROM ONLY " + qualified(connection_, table) +
                     " t WHERE " + condition + " EXCEPT SELECT place FROM " + set.set,
                 parameters)
          .affected();
  connection_.execute("ANALYZE " + set.set);
  if (set.rows > 0) spread(table);
}

std::uint64_t Closure::add_unreferenced(const Relation& table, const std::string& condition,
                                        const std::vector<Parameter>& parameters) {
  const std::string name = qualified(connection_, table);
  const std::string wanted = new_set();
  const std::uint64_t all =
      connection_
          .query("INSERT INTO " + wanted + " SELECT t.ctid FROM ONLY " + name + " t WHERE " + condition,
                 parameters)
          .affected();
  connection_.execute("ANALYZE " + wanted);
  std::uint64_t left_out = 0;
  for (const ForeignKey& key : layout_.foreign_keys) {
    if (key.referenced == table) left_out += drop_referenced(key, wanted, all);
  }
  add(table, "t.ctid IN (SELECT place FROM " + wanted + ")", {});
  return left_out;
}

// Takes out of the set `wanted` what a row that stays refers to by `key`.
std::uint64_t Closure::drop_referenced(const ForeignKey& key, const std::string& wanted,
                                       std::uint64_t count) {
  std::string same;
  for (std::size_t i = 0; i < key.columns.size(); ++i) {
    same += " AND r.";
    same += connection_.identifier(key.columns[i]);
    same += " = t.";
    same += connection_.identifier(key.referenced_columns[i]);
  }
  const std::string going = set_of(key.table);
  const std::string staying =
      referring_rows(key, wanted, count) + (going.empty() ? "" : " EXCEPT SELECT place FROM " + going);
  return connection_
      .query("DELETE FROM " + wanted + " w USING ONLY " + qualified(connection_, key.referenced) +
             " t, ONLY " + qualified(connection_, key.table) + " r WHERE t.ctid = w.place AND r.ctid IN (" +
             staying + ")" + same)
      .affected();
}

// The rows that refer to `source` by `key` and stay.
void Closure::leave_behind(const ForeignKey& key, const RowSet& source) {
  const std::string going = set_of(key.table);
  const std::string places = "(" + referring_rows(key, source.set, source.rows) + ")" +
                             (going.empty() ? "" : " EXCEPT SELECT place FROM " + going);
  RowSet left{key.table, new_set(), 0};
  left.rows = connection_.query("INSERT INTO " + left.set + " " + places).affected();
  if (left.rows == 0) return;
  connection_.execute("ANALYZE " + left.set);
  if (key.on_delete != OnDelete::set_null) {
    obstacles_.push_back(report::counted(left.rows, "row", "rows") + " of " + key.table.text() +
                         " would be left without " + key.referenced.text() + " (" + key.name + ")");
    return;
  }
  if (layout_.find(key.table) == nullptr || layout_.find(key.table)->primary_key.empty()) {
    obstacles_.push_back(key.table.text() + " refers to " + key.referenced.text() +
                         " and has no primary key by which its rows could be found again");
  }
  emptied_.push_back({key, std::move(left)});
}

void Closure::finish() {
  for (const RowSet& source : deleted_) {
    if (source.rows == 0) continue;
    for (const ForeignKey& key : layout_.foreign_keys) {
      if (key.referenced == source.table && key.on_delete != OnDelete::cascade) leave_behind(key, source);
    }
  }
  std::erase_if(deleted_, [](const RowSet& set) { return set.rows == 0; });
}

void Closure::execute() {
  std::string parts;
  std::string counts;
  for (std::size_t i = 0; i < deleted_.size(); ++i) {
    const std::string name = "d" + std::to_string(i);
    parts += std::string(parts.empty() ? "WITH " : ", ") + name + " AS (DELETE FROM ONLY " +
             qualified(connection_, deleted_[i].table) + " t USING " + deleted_[i].set +
             " s WHERE t.ctid = s.place RETURNING 1)";
    counts += std::string(counts.empty() ? " SELECT " : ", ") + "(SELECT count(*) FROM " + name + ")";
  }
  if (parts.empty()) return;
  const postgres::Result done = connection_.query(parts + counts);
  for (std::size_t i = 0; i < deleted_.size(); ++i) {
    const auto deleted = static_cast<std::uint64_t>(done.integer(0, static_cast<int>(i)));
    if (deleted == deleted_[i].rows) continue;
    throw Error(ExitCode::refused, std::to_string(deleted_[i].rows) + " rows of " + deleted_[i].table.text() +
                                       " were to be deleted and " + std::to_string(deleted) + " went")
        .with_hint("a trigger of that table may hold them back");
  }
  check_emptied();
}

// The server has emptied the columns itself: what is left is looked for by the key.
void Closure::check_emptied() const {
  for (const EmptiedSet& emptied : emptied_) {
    std::string any;
    for (const std::string& column : emptied.key.columns) {
      any += (any.empty() ? "t." : " OR t.") + connection_.identifier(column) + " IS NOT NULL";
    }
    // The places are those of the old row versions: none of them may be visible any more.
    const std::uint64_t left =
        count_of(connection_, "ONLY " + qualified(connection_, emptied.key.table) + " t JOIN " +
                                  emptied.rows.set + " s ON t.ctid = s.place WHERE " + any);
    if (left > 0) {
      throw Error(ExitCode::refused,
                  std::to_string(left) + " rows of " + emptied.key.table.text() + " kept their reference");
    }
  }
}

}  // namespace tmb::teslamate
