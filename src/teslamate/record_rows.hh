// SPDX-License-Identifier: MIT
// Writes the rows that a closure is about to take into an undo file, as they are in the caller's transaction.
#pragma once

#include "catalog/relations.hh"
#include "report/reporter.hh"
#include "teslamate/closure.hh"
#include "teslamate/undo_file.hh"

namespace tmb::teslamate {

void record_closure(postgres::Connection& connection, const catalog::Layout& layout, const Closure& closure,
                    UndoWriter& writer, report::Reporter& reporter);

// "a", "b" with `prefix` (such as "t.") before each.
std::string column_list(const postgres::Connection& connection, const std::vector<std::string>& columns,
                        const std::string& prefix);

}  // namespace tmb::teslamate
