// SPDX-License-Identifier: MIT
// The SQL script on its way to a file descriptor: schema, COPY blocks, constraints. Positions go out as
// they come; rows of the other tables wait until a few megabytes are together, so memory stays constant.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "copy_text.hh"

namespace tmb::sample {

enum class Table : std::size_t {
  schema_migrations,
  settings,
  car_settings,
  cars,
  addresses,
  geofences,
  drives,
  charging_processes,
  charges,
  states,
  updates,
  tokens,
  positions,
};
constexpr std::size_t table_count = 13;

class Script {
 public:
  explicit Script(int descriptor);

  CopyText& rows(Table table) { return tables_[static_cast<std::size_t>(table)]; }
  // Call between rows: hands on what has become big enough.
  void spill_if_large();
  // From now on rows of `table` are copied into a table of that name and the same columns.
  void use_name(Table table, std::string_view name) { names_[static_cast<std::size_t>(table)] = name; }
  // Ends every open COPY block.
  void flush();
  // Text between COPY blocks.
  void sql(std::string_view text);

 private:
  void write(std::string_view bytes);
  void write_copy_header(Table table);
  void write_positions();
  void close_positions();

  int descriptor_;
  bool positions_open_ = false;
  std::array<CopyText, table_count> tables_;
  std::array<std::string_view, table_count> names_;
};

}  // namespace tmb::sample
