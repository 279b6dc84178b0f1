// SPDX-License-Identifier: MIT
#include "sql/survey.hh"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/error.hh"
#include "base/newlines.hh"

namespace tmb::sql {

std::uint64_t DatabaseSurvey::rows() const {
  return std::accumulate(tables.begin(), tables.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const SurveyTable& t) { return sum + t.rows; });
}

const SurveyTable* DatabaseSurvey::find(const std::string& schema, const std::string& table) const {
  const auto it = std::find_if(tables.begin(), tables.end(), [&](const SurveyTable& t) {
    return t.name.schema == schema && t.name.name == table;
  });
  return it == tables.end() ? nullptr : &*it;
}

void Survey::database(const std::string& name) {
  const auto it = std::find_if(announced_.begin(), announced_.end(),
                               [&](const DatabaseSurvey& d) { return d.name == name; });
  DatabaseSurvey next;
  if (it != announced_.end()) next = *it;
  next.name = name;
  databases_.push_back(std::move(next));
  index_.clear();
}

SurveyTable* Survey::table_for_rows(const Name& name) {
  const auto it = index_.find(name);
  if (it != index_.end()) return &databases_.back().tables[it->second];
  const bool known = is_of_timescale(name);
  if (!known && databases_.back().foreign_rows.empty()) databases_.back().foreign_rows = name.text();
  return nullptr;
}

// Tables and sequences that the extension makes itself and has its rows dumped of.
bool Survey::is_of_timescale(const Name& name) const {
  return !databases_.back().timescale_schema.empty() &&
         (name.schema == "_timescaledb_catalog" || name.schema == "_timescaledb_config");
}

void Survey::statement(const Verdict& verdict, std::string_view text, std::uint64_t line) {
  DatabaseSurvey& d = databases_.back();
  if (!verdict.left_out.empty()) ++d.left_out[verdict.left_out];
  if (!verdict.code.empty()) d.code.push_back(verdict.code);
  if (verdict.action == Action::copy) {
    table_ = table_for_rows(verdict.name);
    if (table_ != nullptr) {
      table_->has_rows_section = true;
      table_->columns = verdict.columns;
    }
    rows_are_jobs_ = verdict.name.schema == "_timescaledb_config" && verdict.name.name == "bgw_job";
    begin_watch(verdict.name, verdict.columns);
    return;
  }
  take_effect(verdict, line);
  if (verdict.effect == Effect::rows) watch_insert(verdict, text);
}

void Survey::take_effect(const Verdict& v, std::uint64_t line) {
  DatabaseSurvey& d = databases_.back();
  switch (v.effect) {
    case Effect::table:
      if (!index_.emplace(v.name, d.tables.size()).second) {
        throw base::Error(base::ExitCode::damaged, "line " + std::to_string(line) + ": the table " +
                                                       base::printable(v.name.text()) + " is made twice");
      }
      d.tables.push_back({v.name, v.columns, 0, 0, false});
      break;
    case Effect::extension:
      if (v.action == Action::run) d.extensions.push_back(v.name.name);
      if (v.name.name == "timescaledb") d.timescale_schema = v.name.schema;
      break;
    case Effect::database: {
      DatabaseSurvey made;
      made.name = v.name.name;
      made.encoding = v.values[0];
      made.provider = v.values[1];
      made.collate = v.values[2].empty() ? v.values[4] : v.values[2];
      made.ctype = v.values[3].empty() ? v.values[4] : v.values[3];
      made.locale = v.values[5].empty() ? v.values[6] : v.values[5];
      announced_.push_back(std::move(made));
      break;
    }
    case Effect::rows:
      if (SurveyTable* table = table_for_rows(v.name)) {
        table->rows += v.count;
        table->has_rows_section = true;
      }
      break;
    case Effect::sequence_position:
      if (!is_of_timescale(v.name))
        d.sequences.push_back({v.name, v.values[0], v.values[1] == "true" || v.values[1] == "t"});
      break;
    case Effect::owner:
      for (const RolePlace& place : v.roles) ++d.owners[place.role];
      break;
    case Effect::grant:
      for (const RolePlace& place : v.roles) ++d.grantees[place.role];
      break;
    case Effect::materialized_view: d.materialized_views.push_back(v.name); break;
    case Effect::large_object:
      if (v.what == "SELECT lo_create") ++d.large_objects;
      break;
    default: break;
  }
}

void Survey::rows(std::string_view bytes) {
  if (std::exchange(rows_are_jobs_, false))
    databases_.back().code.emplace_back("background jobs of TimescaleDB");
  if (table_ != nullptr) {
    table_->rows += base::count_newlines(bytes);
    table_->bytes += bytes.size();
  }
  if (watch_ != nullptr) watch_rows(bytes);
  if (progress_) progress_();
}

void Survey::end_of_rows() {
  table_ = nullptr;
  watch_ = nullptr;
}

void Survey::begin_watch(const Name& name, const std::vector<std::string>& columns) {
  watch_ = nullptr;
  partial_.clear();
  watched_columns_.clear();
  for (const Watch& watch : watches_) {
    if (watch.table.schema != name.schema || watch.table.name != name.name) continue;
    for (const std::string& wanted : watch.columns) {
      const auto it = std::find(columns.begin(), columns.end(), wanted);
      watched_columns_.push_back(static_cast<std::size_t>(it - columns.begin()));
    }
    watch_ = &watch;
  }
}

void Survey::watch_rows(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    // What is watched for is short: of a row that goes on and on nothing is learned.
    constexpr std::size_t longest_row = std::size_t{1} << 20U;
    if (partial_.size() > longest_row) {
      if (end == std::string_view::npos) return;
      partial_.clear();
      bytes.remove_prefix(end + 1);
      continue;
    }
    if (end == std::string_view::npos) {
      partial_ += bytes;
      return;
    }
    if (partial_.empty()) {
      watch_line(bytes.substr(0, end));
    } else {
      partial_ += bytes.substr(0, end);
      watch_line(partial_);
      partial_.clear();
    }
    bytes.remove_prefix(end + 1);
  }
}

void Survey::watch_line(std::string_view line) {
  std::vector<std::string_view> all;
  for (;;) {
    const std::size_t tab = line.find('\t');
    all.push_back(line.substr(0, tab));
    if (tab == std::string_view::npos) break;
    line.remove_prefix(tab + 1);
  }
  tell_watch(all);
}

// The same of INSERT … VALUES ('a', 1, NULL), (…).
void Survey::watch_insert(const Verdict& verdict, std::string_view text) {
  const SurveyTable* table = databases_.back().find(verdict.name.schema, verdict.name.name);
  if (table == nullptr) return;
  begin_watch(verdict.name, verdict.columns.empty() ? table->columns : verdict.columns);
  if (watch_ == nullptr) return;
  const std::vector<Token> tokens = tokenize(text, true);
  std::size_t i = 0;
  while (i < tokens.size() && !(tokens[i].depth == 0 && tokens[i].is("VALUES"))) ++i;
  std::vector<std::string> row;
  for (++i; i < tokens.size(); ++i) {
    const Token& t = tokens[i];
    if (t.is_sign(')') && t.depth == 0) {
      tell_watch({row.begin(), row.end()});
      row.clear();
    } else if (t.depth == 1 && !t.is_sign(',') && !t.is_sign('-')) {
      row.push_back(t.is("NULL")                    ? "\\N"
                    : t.kind == Token::Kind::string ? content_of(t, true)
                                                    : std::string(t.text));
    }
  }
  watch_ = nullptr;
}

void Survey::tell_watch(const std::vector<std::string_view>& all) {
  std::vector<std::string_view> cells;
  for (const std::size_t column : watched_columns_)
    cells.push_back(column < all.size() ? all[column] : "\\N");
  watch_->row(cells);
}

}  // namespace tmb::sql
