// SPDX-License-Identifier: MIT
// Single rows out of a database beside the live one, such as a dump that was loaded with --as-database.
#pragma once

#include "postgres/connection.hh"
#include "teslamate/row_source.hh"

namespace tmb::teslamate {

class DatabaseRows final : public RowSource {
 public:
  // `name` is for messages: the file's.
  DatabaseRows(const postgres::ConnectionSettings& database, std::string name, const std::stop_token& stop);

  std::vector<std::string> columns(const std::string& table) const override;
  void scan(const std::string& table, const RowFilter& filter,
            const std::function<void(std::string_view rows)>& sink) override;
  std::string migration_version() const override { return migration_version_; }
  std::string describe() const override { return name_; }

 private:
  postgres::Connection connection_;
  std::string name_;
  std::string migration_version_;
  std::vector<std::pair<std::string, std::vector<std::string>>> tables_;
};

}  // namespace tmb::teslamate
