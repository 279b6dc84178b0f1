// SPDX-License-Identifier: MIT
// What one statement of a dump is, and whether it may be sent to a server at all: an allow-list of what
// pg_dump writes. Everything else is refused with its reason. Runs nothing and knows no server.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sql/tokens.hh"

namespace tmb::sql {

enum class Action {
  run,   // send it
  skip,  // leave it out: the staging database has no need of it
  copy,  // rows follow; the statement is made anew from `name` and `columns`
};

// What the statement is about, where somebody has to know.
enum class Effect {
  none,
  setting,            // of the session
  schema,             // CREATE SCHEMA
  table,              // CREATE TABLE of one that holds rows
  extension,          // CREATE EXTENSION
  database,           // CREATE DATABASE: `values` encoding, locale provider, collate, ctype, locale
  rows,               // INSERT: `count` rows
  sequence_position,  // setval: `values` last value, is_called
  large_object,       // one of the four calls that write one
  index,              // CREATE INDEX
  key,                // ADD PRIMARY KEY, UNIQUE or EXCLUDE
  foreign_key,
  owner,              // ALTER … OWNER TO
  grant,              // GRANT, REVOKE, ALTER DEFAULT PRIVILEGES
  materialized_view,  // REFRESH
  event_trigger,      // CREATE, ALTER or COMMENT
};

struct Name {
  std::string schema;
  std::string name;
  std::string quoted() const { return quote_name(schema) + "." + quote_name(name); }
  std::string text() const { return schema + "." + name; }  // for people
  bool operator<(const Name& other) const {
    return schema != other.schema ? schema < other.schema : name < other.name;
  }
};

// Where a statement names a role, so that another can be put there.
struct RolePlace {
  std::size_t offset = 0;
  std::size_t length = 0;
  std::string role;
};

struct Verdict {
  Action action = Action::run;
  Effect effect = Effect::none;
  std::string what;                  // "CREATE TABLE", for messages and counts
  Name name;                         // of the object, where the effect has one
  std::vector<std::string> columns;  // of COPY and of a table
  std::vector<std::string> values;
  std::uint64_t count = 0;
  std::string left_out;  // of a skipped statement: what the user loses by it; empty: nothing
  // Code of the file's author that the server would run: "function public.f(…) in plpgsql". Empty: none, or
  // none that could do more than compute.
  std::string code;
  std::vector<RolePlace> roles;
  Name other;  // of a foreign key: the table that it refers to
};

// Statement after statement in the order of the file: some change how the next are read.
class Judge {
 public:
  // Throws damaged, with the reason, for what pg_dump does not write; unsupported for what it writes and we
  // cannot load.
  Verdict judge(std::string_view statement);

  Spelling spelling() const { return spelling_; }
  const std::string& encoding() const { return encoding_; }  // of the text; empty: not said yet

 private:
  friend class StatementParts;
  Spelling spelling_;
  std::string encoding_;
  std::vector<std::string> search_path_{"public"};
  bool timescale_ = false;  // the dump makes that extension
};

// The statement with `replacement` for each place, in the order of `places`; "PUBLIC" stays as it is.
std::string with_roles(std::string_view statement, const std::vector<RolePlace>& places,
                       const std::vector<std::string>& replacements);

}  // namespace tmb::sql
