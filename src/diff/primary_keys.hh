// SPDX-License-Identifier: MIT
// Which columns are the primary key of each table, read from the table of contents of a snapshot's schema: an
// archive of pg_dump -Fc. Private to diff/.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tmb::diff {

// By schema and name; tables without one are absent.
using PrimaryKeys = std::map<std::pair<std::string, std::string>, std::vector<std::string>>;

// Nothing of what follows an entry that cannot be read: a table whose key is not known is compared row by
// row.
PrimaryKeys read_primary_keys(std::string_view schema_archive);

// Every definition as text, sorted: the order and the numbers of two archives of one schema may differ.
std::vector<std::string> read_definitions(std::string_view schema_archive);

}  // namespace tmb::diff
