// SPDX-License-Identifier: MIT
#include "transfer/sql_text.hh"

#include <algorithm>
#include <string_view>
#include <vector>

#include "base/error.hh"

namespace tmb::transfer {

namespace {

// The words that are no plain names in PostgreSQL 14 to 18. One too many costs two quotes.
constexpr std::string_view keywords =
    " all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean"
    " both case cast char character check coalesce collate collation column concurrently constraint create"
    " cross current_catalog current_date current_role current_schema current_time current_timestamp"
    " current_user dec decimal default deferrable desc distinct do else end except exists extract false"
    " fetch float for foreign freeze from full grant greatest group grouping having ilike in initially"
    " inner inout int integer intersect interval into is isnull join json json_array json_arrayagg"
    " json_exists json_object json_objectagg json_query json_scalar json_serialize json_table json_value"
    " lateral leading least left like limit localtime localtimestamp merge_action national natural nchar"
    " none normalize not notnull null nullif numeric offset on only or order out outer overlaps overlay"
    " placing position precision primary real references returning right row select session_user setof"
    " similar smallint some substring symmetric system_user table tablesample then time timestamp to"
    " trailing treat trim true union unique user using values varchar variadic verbose when where window"
    " with xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot"
    " xmlserialize xmltable"
    " ";

bool is_plain(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  const bool characters = !name.empty() && letter(name.front()) && std::ranges::all_of(name, [&](char c) {
    return letter(c) || (c >= '0' && c <= '9');
  });
  return characters && keywords.find(" " + std::string(name) + " ") == std::string_view::npos;
}

// In quotes, the quotes inside doubled. No server encoding has that byte inside another character.
std::string in_quotes(std::string_view text, char quote) {
  std::string out(1, quote);
  for (const char c : text) {
    if (c == quote) out += c;
    out += c;
  }
  return out + quote;
}

// In a comment a line break would end it: what follows would be read as SQL (CVE-2025-8715).
std::string in_comment(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return text;
}

std::string comment(const std::string& kind_of_name, const std::string& name, const std::string& type,
                    const std::string& schema) {
  return "--\n-- " + kind_of_name + ": " + in_comment(name) + "; Type: " + type +
         "; Schema: " + in_comment(schema) + "; Owner: -\n--\n\n";
}

// Of "a"."b""c", which the manifest holds so: a and b"c. Anything else ends in no two parts.
std::vector<std::string> parts_of(const std::string& name) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < name.size() && name[at] == '"';) {
    std::string part;
    for (++at; at < name.size(); ++at) {
      if (name[at] == '"' && !(at + 1 < name.size() && name[at + 1] == '"')) break;
      if (name[at] == '"') ++at;
      part += name[at];
    }
    if (at >= name.size()) return {};  // no closing quote
    parts.push_back(std::move(part));
    ++at;
    if (at == name.size()) return parts;
    if (name[at++] != '.') break;
  }
  return {};
}

constexpr std::string_view entry_begin = "\n--\n-- Name: ";
constexpr std::string_view end_begin = "\n--\n-- PostgreSQL database dump complete\n--\n";

}  // namespace

std::string identifier(const std::string& name) { return is_plain(name) ? name : in_quotes(name, '"'); }

std::string qualified(const std::string& schema, const std::string& name) {
  return identifier(schema) + "." + identifier(name);
}

std::string literal(const std::string& text) { return in_quotes(text, '\''); }

std::string copy_begin(const repository::TableData& table) {
  std::string columns;
  for (const std::string& column : table.columns)
    columns += (columns.empty() ? "" : ", ") + identifier(column);
  return comment("Data for Name", table.name, "TABLE DATA", table.schema) + "COPY " +
         qualified(table.schema, table.name) + " " + (columns.empty() ? "" : "(" + columns + ")") +
         " FROM stdin;\n";
}

std::string sequence_set(const repository::SequenceState& sequence) {
  return comment("Name", sequence.name, "SEQUENCE SET", sequence.schema) + "SELECT pg_catalog.setval(" +
         literal(qualified(sequence.schema, sequence.name)) + ", " + sequence.last_value + ", " +
         (sequence.is_called ? "true" : "false") + ");\n\n\n";
}

std::string refresh(const std::string& quoted_name) {
  const std::vector<std::string> parts = parts_of(quoted_name);
  if (parts.size() != 2) {
    throw base::Error(base::ExitCode::damaged,
                      "the manifest names a materialised view " + base::printable(quoted_name));
  }
  return comment("Name", parts[1], "MATERIALIZED VIEW DATA", parts[0]) + "REFRESH MATERIALIZED VIEW " +
         qualified(parts[0], parts[1]) + ";\n\n\n";
}

Script join_sections(const std::string& pre_data, const std::string& post_data) {
  const std::size_t pre_end = pre_data.rfind(end_begin);
  const std::size_t post_end = post_data.rfind(end_begin);
  if (pre_end == std::string::npos || post_end == std::string::npos) {
    throw base::Error(base::ExitCode::database, "pg_restore wrote a script without its end");
  }
  // The header of the second script only repeats the first one's settings.
  const std::size_t post_begin = std::min(post_data.find(entry_begin), post_end);
  Script script;
  script.before = pre_data.substr(0, pre_end + 1);
  script.after = post_data.substr(post_begin + 1, post_end - post_begin);
  script.end = pre_data.substr(pre_end + 1);
  return script;
}

}  // namespace tmb::transfer
