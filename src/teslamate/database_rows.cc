// SPDX-License-Identifier: MIT
#include "teslamate/database_rows.hh"

#include "catalog/reader.hh"
#include "catalog/relations.hh"
#include "teslamate/record_rows.hh"

namespace tmb::teslamate {

DatabaseRows::DatabaseRows(const postgres::ConnectionSettings& database, std::string name,
                           const std::stop_token& stop)
    : connection_(postgres::Connection::open(database, stop)),
      name_(std::move(name)),
      migration_version_(catalog::read_migration_version(connection_)) {
  for (const auto& [relation, table] : catalog::read_layout(connection_).tables) {
    if (relation.schema == "public") tables_.emplace_back(relation.name, table.columns);
  }
}

std::vector<std::string> DatabaseRows::columns(const std::string& table) const {
  for (const auto& [name, columns] : tables_) {
    if (name == table) return columns;
  }
  return {};
}

void DatabaseRows::scan(const std::string& table, const RowFilter& filter,
                        const std::function<void(std::string_view rows)>& sink) {
  const auto names = columns(table);
  if (names.empty()) return;
  std::string wanted;
  connection_.copy_out("COPY (SELECT " + column_list(connection_, names, "t.") + " FROM ONLY " +
                           catalog::qualified(connection_, catalog::Relation{"public", table}) +
                           " t) TO STDOUT",
                       [&](std::string_view line) {
                         wanted.clear();
                         if (filter.select(line, wanted) > 0) sink(wanted);
                       });
}

}  // namespace tmb::teslamate
