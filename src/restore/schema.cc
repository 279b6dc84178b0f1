// SPDX-License-Identifier: MIT
#include "restore/schema.hh"

#include <algorithm>
#include <sstream>

#include "base/error.hh"
#include "base/file.hh"

namespace tmb::restore {

namespace {

constexpr std::size_t sql_limit = std::size_t{256} << 20U;

std::string argument(Section section) {
  return section == Section::pre_data ? "--section=pre-data" : "--section=post-data";
}

base::UniqueFd archive_file(const std::string& content, const postgres::ConnectionSettings& settings) {
  std::optional<unsigned> uid;
  if (settings.as_os_user) uid = settings.as_os_user->uid;
  return base::memory_file("schema", content, uid);
}

// Of pg_restore's table of contents, the entries that do not make or describe extensions.
std::string without_extensions(const std::string& list) {
  std::string out;
  std::istringstream lines(list);
  for (std::string line; std::getline(lines, line);) {
    const bool of_extension = line.find(" EXTENSION - ") != std::string::npos ||
                              line.find(" COMMENT - EXTENSION ") != std::string::npos;
    if (!of_extension) out += line + "\n";
  }
  return out;
}

// The archive's header and trailer stand before the first and after the last entry: only there are whole
// lines dropped. A function's body that holds such a line keeps it.
std::string without_psql_lines(const std::string& text, int server_version) {
  std::string out;
  out.reserve(text.size());
  const std::size_t first_entry = text.find("\n-- Name: ");
  const std::size_t trailer = text.rfind("\n--\n-- PostgreSQL database dump complete");
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size() - 1);
    const std::string_view line(text.data() + at, end + 1 - at);
    const bool outside = at <= first_entry || (trailer != std::string::npos && at > trailer);
    const bool for_psql = line.starts_with("\\restrict ") || line.starts_with("\\unrestrict ");
    const bool unknown = server_version < 170000 && line.starts_with("SET transaction_timeout");
    if (!(outside && (for_psql || unknown))) out += line;
    at = end + 1;
  }
  return out;
}

}  // namespace

SchemaArchive::SchemaArchive(const std::string& content, postgres::Tools tools,
                             const postgres::ConnectionSettings& settings)
    : tools_(std::move(tools)), file_(archive_file(content, settings)) {}

void SchemaArchive::restore(Section section, const postgres::ConnectionSettings& settings, unsigned jobs,
                            const std::string& options, const std::stop_token& stop) const {
  postgres::ToolRun run{"pg_restore", {"--exit-on-error", argument(section)}, options, true};
  if (section == Section::post_data && jobs > 1) run.arguments.push_back("--jobs=" + std::to_string(jobs));
  run.arguments.push_back(base::memory_file_path(file_));
  postgres::run_tool(tools_, run, settings, sql_limit, stop);
}

std::string SchemaArchive::sql(Section section, const postgres::ConnectionSettings& settings,
                               int server_version, bool with_extensions, const std::stop_token& stop) const {
  postgres::ToolRun run{"pg_restore", {"--file=-", argument(section)}, "", false};
  base::UniqueFd list;
  if (!with_extensions) {
    const postgres::ToolRun listing{
        "pg_restore", {"--list", argument(section), base::memory_file_path(file_)}, "", false};
    list = archive_file(without_extensions(postgres::run_tool(tools_, listing, settings, sql_limit, stop)),
                        settings);
    run.arguments.push_back("--use-list=" + base::memory_file_path(list));
  }
  run.arguments.push_back(base::memory_file_path(file_));
  return without_psql_lines(postgres::run_tool(tools_, run, settings, sql_limit, stop), server_version);
}

}  // namespace tmb::restore
