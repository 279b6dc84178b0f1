// SPDX-License-Identifier: MIT
// Rows sent to a table over one session: in binary where every column's type has a form that is known, as the
// text that they are where not. Private to restore/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "postgres/binary_rows.hh"
#include "postgres/connection.hh"

namespace tmb::restore {

class RowCopy {
 public:
  // `connection` outlives this and keeps the encoding that it has now: that of the rows.
  explicit RowCopy(postgres::Connection& connection);

  // The rows that follow are of this table.
  void choose(const std::string& schema, const std::string& name, const std::vector<std::string>& columns);
  // One COPY of whole lines of COPY text. Returns how many rows the server stored.
  std::uint64_t send(std::string_view rows);

 private:
  postgres::Connection& connection_;
  bool may_be_binary_;
  std::string as_text_;  // the COPY statements of the chosen table
  std::string as_binary_;
  std::optional<postgres::BinaryRows> form_;
  std::string binary_;
};

}  // namespace tmb::restore
