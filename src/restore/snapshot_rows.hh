// SPDX-License-Identifier: MIT
// Single rows out of a snapshot: every chunk of the table is decoded by several workers, and only the wanted
// rows leave them. Memory does not grow with the table.
#pragma once

#include <stop_token>

#include "repository/source.hh"
#include "teslamate/row_source.hh"

namespace tmb::restore {

class SnapshotRows final : public teslamate::RowSource {
 public:
  // `source` must live as long as this. `jobs` 0: as many as there are processors.
  SnapshotRows(const repository::BackupSource& source, unsigned jobs, std::stop_token stop)
      : source_(source), jobs_(jobs), stop_(std::move(stop)) {}

  std::vector<std::string> columns(const std::string& table) const override;
  void scan(const std::string& table, const teslamate::RowFilter& filter,
            const std::function<void(std::string_view rows)>& sink) override;
  std::string migration_version() const override { return source_.manifest().migration_version; }
  std::string describe() const override { return "snapshot " + source_.manifest().id; }

 private:
  const repository::BackupSource& source_;
  unsigned jobs_;
  std::stop_token stop_;
};

}  // namespace tmb::restore
