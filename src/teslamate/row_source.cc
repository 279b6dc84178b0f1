// SPDX-License-Identifier: MIT
#include "teslamate/row_source.hh"

#include <algorithm>
#include <cstdint>

namespace tmb::teslamate {

std::uint64_t RowFilter::select(std::string_view rows, std::string& out) const {
  std::size_t last = within ? std::max(within->column, date_column) : 0;
  for (const Values& v : any_of) last = std::max(last, v.column);
  std::vector<std::string_view> cells(last + 1);
  std::string key;  // kept: a lookup allocates nothing
  const auto has = [&](const Values& wanted) {
    key.assign(cells[wanted.column]);
    return wanted.values.contains(key);
  };
  std::uint64_t selected = 0;
  while (!rows.empty()) {
    const std::size_t end = std::min(rows.find('\n'), rows.size() - 1) + 1;
    const std::string_view line = rows.substr(0, end);
    rows.remove_prefix(end);
    std::string_view rest = line.substr(0, line.size() - (line.ends_with('\n') ? 1 : 0));
    for (std::string_view& cell : cells) {
      const std::size_t tab = std::min(rest.find('\t'), rest.size());
      cell = rest.substr(0, tab);
      rest.remove_prefix(std::min(tab + 1, rest.size()));
    }
    bool wanted = takes_all() || std::ranges::any_of(any_of, has);
    if (!wanted && within && has(*within)) {
      const std::string_view date = cells[date_column];
      wanted = (since.empty() || date >= since) && (until.empty() || date < until);
    }
    if (!wanted) continue;
    out += line;
    ++selected;
  }
  return selected;
}

}  // namespace tmb::teslamate
