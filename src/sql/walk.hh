// SPDX-License-Identifier: MIT
// A dump from its first line to its last, each statement judged, whoever visits it: to learn what it is, or
// to load it. Both see exactly the same statements, so that nothing is loaded that was not looked at.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/byte_source.hh"
#include "sql/judge.hh"
#include "sql/reader.hh"

namespace tmb::sql {

class Visitor {
 public:
  virtual ~Visitor() = default;
  // From here on the statements are of this database: a dump of pg_dumpall, or of pg_dump --create.
  virtual void database(const std::string& name) = 0;
  // Not called for what a dump of a whole server says of roles. `text` lives during the call only.
  virtual void statement(const Verdict& verdict, std::string_view text, std::uint64_t line) = 0;
  // Of the table of the latest statement, whose action was copy.
  virtual void rows(std::string_view bytes) = 0;
  virtual void end_of_rows() = 0;
};

// What its comments and its end say of a dump.
struct DumpFrame {
  std::string server_version;  // "15.14 (Debian 15.14-0+deb12u1)", of the first database; empty: not said
  std::string tool_version;    // of pg_dump
  bool is_cluster = false;     // pg_dumpall: all databases of a server, and its roles
  bool complete = false;       // it ends as pg_dump ends a dump
  End end = End::between;
  bool mentions_dump = false;  // it says that it is one of PostgreSQL
  std::uint64_t bytes = 0;     // of its text
  std::uint64_t lines = 0;
  std::uint64_t statements = 0;
  std::string encoding;  // of its text; empty: not said
};

// Throws damaged and unsupported naming the line, and what source and visitor throw. A text that ends too
// early is no error here: see DumpFrame::complete.
DumpFrame walk(base::ByteSource& source, Visitor& visitor, ReaderLimits limits = {});

// 150014 of "15.14 (Debian …)"; 0 when it is no version. 90624 for "9.6.24".
int version_number(const std::string& text);

}  // namespace tmb::sql
