// SPDX-License-Identifier: MIT
// The two halves of a schema archive sent to a database: by pg_restore itself, or as SQL that we send.
// Private to restore/.
#pragma once

#include <stop_token>
#include <string>

#include "base/fd.hh"
#include "postgres/tools.hh"

namespace tmb::restore {

enum class Section { pre_data, post_data };

class SchemaArchive {
 public:
  // `content` is an archive of pg_dump -Fc; it is kept in memory, readable by `settings`' account.
  SchemaArchive(const std::string& content, postgres::Tools tools,
                const postgres::ConnectionSettings& settings);

  // pg_restore does it, with `jobs` sessions at once where the section allows it.
  void restore(Section section, const postgres::ConnectionSettings& settings, unsigned jobs,
               const std::string& options, const std::stop_token& stop) const;

  // The section as SQL, without what psql alone understands and what `server_version` does not know.
  // `with_extensions` false: they are there already, nothing is said about them.
  std::string sql(Section section, const postgres::ConnectionSettings& settings, int server_version,
                  bool with_extensions, const std::stop_token& stop) const;

 private:
  postgres::Tools tools_;
  base::UniqueFd file_;
};

}  // namespace tmb::restore
