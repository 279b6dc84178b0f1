// SPDX-License-Identifier: MIT
// An undo file's rows loaded beside the live ones, compared with them and put in their place, inside the
// caller's transaction. Private to undo.
#pragma once

#include <string>
#include <vector>

#include "catalog/relations.hh"
#include "report/reporter.hh"
#include "teslamate/undo_file.hh"

namespace tmb::teslamate {

struct LoadedSection {
  UndoSection section;
  std::string table;          // the live one, as SQL
  std::string copy;           // the temporary one with the file's rows
  std::uint64_t rows = 0;     // in the file
  std::uint64_t already = 0;  // of these, as they should be already
};

// Throws unsupported when a table or a column is gone.
std::vector<LoadedSection> load_sections(postgres::Connection& connection, const catalog::Layout& layout,
                                         const UndoReader& file, report::Reporter& reporter);

// Compares; fills `already`. The rows that stand in the way, in words, at most `most`.
std::vector<std::string> find_conflicts(postgres::Connection& connection, const catalog::Layout& layout,
                                        std::vector<LoadedSection>& sections, std::size_t most);

// Puts every row back that is not as it should be. Returns how many.
std::uint64_t apply_sections(postgres::Connection& connection, const catalog::Layout& layout,
                             const std::vector<LoadedSection>& sections);

}  // namespace tmb::teslamate
