// SPDX-License-Identifier: MIT
// The two halves of a schema archive sent to a database: by pg_restore itself, or as SQL that we send.
// Private to restore/.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/fd.hh"
#include "postgres/tools.hh"

namespace tmb::restore {

enum class Section { pre_data, post_data };

// One line of pg_restore's table of contents.
struct ArchiveEntry {
  std::string line;
  std::string type;  // INDEX, CONSTRAINT; empty for every other kind
};

class SchemaArchive {
 public:
  // `content` is an archive of pg_dump -Fc; it is kept in memory, readable by `settings`' account.
  SchemaArchive(const std::string& content, postgres::Tools tools,
                const postgres::ConnectionSettings& settings);

  // pg_restore does it, with `jobs` sessions at once where the section allows it; all entries, or `only`
  // these.
  void restore(Section section, const postgres::ConnectionSettings& settings, unsigned jobs,
               const std::string& options, const std::stop_token& stop,
               const std::optional<std::vector<ArchiveEntry>>& only = std::nullopt) const;

  std::vector<ArchiveEntry> entries(Section section, const std::stop_token& stop) const;
  // What each of these indexes and constraints is made by, in their order. Empty when the text cannot be told
  // apart for certain: then restore() has to do it.
  std::vector<std::string> statements(const std::vector<ArchiveEntry>& entries, int server_version,
                                      const std::stop_token& stop) const;

  // The section as SQL, without what psql alone understands and what `server_version` does not know.
  // `with_extensions` false: they are there already, nothing is said about them.
  std::string sql(Section section, const postgres::ConnectionSettings& settings, int server_version,
                  bool with_extensions, const std::stop_token& stop) const;

 private:
  base::UniqueFd list_file(const std::string& list) const;

  postgres::Tools tools_;
  std::optional<unsigned> reader_;  // the account that has to read our files
  base::UniqueFd file_;
};

}  // namespace tmb::restore
