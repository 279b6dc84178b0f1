// SPDX-License-Identifier: MIT
// Where rows are taken from one by one: a snapshot or a database beside the live one. Rows are COPY text.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace tmb::teslamate {

// Which rows of a table are wanted: those with one of the values in one of the columns, and those of one of
// `within`'s values whose date is in [since, until). Without any condition: all rows.
struct RowFilter {
  struct Values {
    std::size_t column = 0;
    std::unordered_set<std::string> values;
  };
  std::vector<Values> any_of;
  std::optional<Values> within;
  std::size_t date_column = 0;
  std::string since;  // as COPY prints a timestamp, 2026-05-01 00:00:00; empty: no limit
  std::string until;

  bool takes_all() const { return any_of.empty() && !within; }
  // Appends the wanted ones of `rows` (whole lines) to `out`. Returns how many.
  std::uint64_t select(std::string_view rows, std::string& out) const;
};

class RowSource {
 public:
  virtual ~RowSource() = default;
  // Of the table in the schema public; empty when there is no such table.
  virtual std::vector<std::string> columns(const std::string& table) const = 0;
  // The wanted rows, in pieces of whole lines and in no particular order, one call at a time.
  virtual void scan(const std::string& table, const RowFilter& filter,
                    const std::function<void(std::string_view rows)>& sink) = 0;
  virtual std::string migration_version() const = 0;
  virtual std::string describe() const = 0;
};

}  // namespace tmb::teslamate
