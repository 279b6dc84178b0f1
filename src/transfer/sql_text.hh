// SPDX-License-Identifier: MIT
// The pieces of a plain dump that stand around the rows, as pg_dump writes them.
#pragma once

#include <string>

#include "repository/manifest.hh"

namespace tmb::transfer {

// An identifier as SQL reads it, quoted where it has to be.
std::string identifier(const std::string& name);
std::string qualified(const std::string& schema, const std::string& name);
// For standard_conforming_strings = on, which a dump sets.
std::string literal(const std::string& text);

// From the comment to "COPY … FROM stdin;" and its newline; the rows follow, then copy_end.
std::string copy_begin(const repository::TableData& table);
inline constexpr const char* copy_end = "\\.\n\n\n";
std::string sequence_set(const repository::SequenceState& sequence);
// `quoted_name` as the manifest holds it.
std::string refresh(const std::string& quoted_name);

// pg_restore's script of the definitions, cut where the rows belong and before what closes it.
struct Script {
  std::string before;  // header and pre-data
  std::string after;   // post-data
  std::string end;     // from the "dump complete" comment on
};
// Of the scripts of the two sections. Throws database when they are no such scripts.
Script join_sections(const std::string& pre_data, const std::string& post_data);

}  // namespace tmb::transfer
