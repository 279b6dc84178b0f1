// SPDX-License-Identifier: MIT
#include "restore/post_data.hh"

#include <algorithm>
#include <map>
#include <regex>

#include "restore/dump_post.hh"
#include "restore/index_memory.hh"

namespace tmb::restore {

using postgres::Connection;

namespace {

struct IndexTask {
  std::string sql;
  std::uint64_t rows = 0;  // of its table
};

struct Plan {
  std::vector<IndexTask> indexes;    // the largest tables first, side by side
  std::vector<std::string> adopt;    // then these, one after another: unique indexes become primary keys
  std::vector<ArchiveEntry> others;  // then these, by pg_restore
};

// Below this a primary key is made in no time, whoever makes it.
constexpr std::uint64_t large_table = 10000;

// Rows of each table whose name needs no quotes, as pg_restore writes it.
std::map<std::string, std::uint64_t, std::less<>> plain_names(const repository::Manifest& manifest) {
  static const std::regex plain("[a-z_][a-z0-9_]*");
  std::map<std::string, std::uint64_t, std::less<>> out;
  for (const repository::TableData& table : manifest.tables) {
    if (std::regex_match(table.schema, plain) && std::regex_match(table.name, plain))
      out[table.schema + "." + table.name] = table.rows;
  }
  return out;
}

// ALTER TABLE … ADD PRIMARY KEY shuts out every other index of its table while it builds; a unique index
// does not, and is adopted by the constraint afterwards. Only in its plainest form.
bool plan_primary_key(const std::string& sql, const std::map<std::string, std::uint64_t, std::less<>>& tables,
                      Plan& plan) {
  static const std::regex form(
      R"(ALTER TABLE ONLY ([a-z0-9_.]+)\n    ADD CONSTRAINT ([a-z0-9_]+) PRIMARY KEY \(([a-z0-9_, ]+)\);\s*)");
  std::smatch match;
  if (!std::regex_match(sql, match, form)) return false;
  const auto table = tables.find(match.str(1));
  if (table == tables.end() || table->second < large_table) return false;
  const std::string name = match.str(2);
  plan.indexes.push_back(
      {"CREATE UNIQUE INDEX " + name + " ON " + table->first + " USING btree (" + match.str(3) + ")",
       table->second});
  plan.adopt.push_back("ALTER TABLE ONLY " + table->first + " ADD CONSTRAINT " + name +
                       " PRIMARY KEY USING INDEX " + name);
  return true;
}

std::uint64_t rows_of(const std::string& sql,
                      const std::map<std::string, std::uint64_t, std::less<>>& tables) {
  static const std::regex form(R"(CREATE (UNIQUE )?INDEX [a-z0-9_]+ ON (ONLY )?([a-z0-9_.]+) USING )");
  std::smatch match;
  if (!std::regex_search(sql, match, form, std::regex_constants::match_continuous)) return 0;
  const auto table = tables.find(match.str(3));
  return table == tables.end() ? 0 : table->second;
}

Plan make_plan(const SchemaArchive& archive, const repository::Manifest& manifest, int server_version,
               const std::stop_token& stop) {
  const std::vector<ArchiveEntry> entries = archive.entries(Section::post_data, stop);
  std::vector<ArchiveEntry> ours;
  std::copy_if(entries.begin(), entries.end(), std::back_inserter(ours),
               [](const ArchiveEntry& entry) { return !entry.type.empty(); });
  const std::vector<std::string> statements = archive.statements(ours, server_version, stop);
  const auto tables = plain_names(manifest);
  Plan plan;
  std::size_t next = 0;
  for (const ArchiveEntry& entry : entries) {
    if (entry.type.empty() || statements.empty()) {
      plan.others.push_back(entry);
      continue;
    }
    const std::string& sql = statements[next++];
    // More than one statement says more of an index, such as CLUSTER ON.
    const bool single = std::count(sql.begin(), sql.end(), ';') <= 1;
    if (single && entry.type == "INDEX") {
      plan.indexes.push_back({sql, rows_of(sql, tables)});
    } else if (!single || !plan_primary_key(sql, tables, plan)) {
      plan.others.push_back(entry);
    }
  }
  std::stable_sort(plan.indexes.begin(), plan.indexes.end(),
                   [](const IndexTask& a, const IndexTask& b) { return a.rows > b.rows; });
  return plan;
}

}  // namespace

void restore_post_data(const Session& s, const SchemaArchive& archive, const repository::Manifest& manifest,
                       const postgres::ConnectionSettings& database, unsigned jobs) {
  Connection connection = Connection::open(database, s.stop);
  const Plan plan = make_plan(archive, manifest, connection.server_version(), s.stop);
  std::vector<PostStatement> indexes;
  for (const IndexTask& task : plan.indexes) indexes.push_back({task.sql, 0, {}, {}});
  run_post_statements(indexes, database, jobs, {}, s.stop);
  for (const std::string& sql : plan.adopt) connection.execute(sql);
  if (plan.others.empty()) return;
  const std::string options =
      "-c synchronous_commit=off -c jit=off -c max_parallel_maintenance_workers=0 -c maintenance_work_mem=" +
      std::to_string(index_memory_mb(database, jobs)) + "MB";
  archive.restore(Section::post_data, database, jobs, options, s.stop, plan.others);
}

}  // namespace tmb::restore
