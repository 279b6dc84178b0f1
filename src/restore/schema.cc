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

std::optional<unsigned> reader_of(const postgres::ConnectionSettings& settings) {
  return settings.as_os_user ? std::optional(settings.as_os_user->uid) : std::nullopt;
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

// "3460; 1259 16411 INDEX public positions_date_index teslamate"
ArchiveEntry parse_entry(const std::string& line) {
  std::istringstream words(line);
  std::string id;
  std::string catalog;
  std::string object;
  std::string type;
  std::string next;
  words >> id >> catalog >> object >> type >> next;
  // "INDEX ATTACH" is a kind of its own; a schema of that name is left to pg_restore with it.
  const bool ours = (type == "INDEX" && next != "ATTACH") || type == "CONSTRAINT";
  return {line, ours ? type : ""};
}

std::string to_list(const std::vector<ArchiveEntry>& entries) {
  std::string out;
  for (const ArchiveEntry& entry : entries) out += entry.line + "\n";
  return out;
}

// One piece for each entry, without its comment, or nothing when the comments do not match the entries.
std::vector<std::string> split_entries(const std::string& text, const std::vector<ArchiveEntry>& entries) {
  constexpr std::string_view begin = "\n--\n-- Name: ";
  constexpr std::string_view comment_end = "\n--\n\n";
  std::vector<std::size_t> starts;
  for (std::size_t at = text.find(begin); at != std::string::npos; at = text.find(begin, at + 1))
    starts.push_back(at);
  const std::size_t end = text.rfind("\n--\n-- PostgreSQL database dump complete");
  if (starts.size() != entries.size() || end == std::string::npos) return {};
  starts.push_back(end);
  std::vector<std::string> out;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::string piece = text.substr(starts[i] + begin.size(), starts[i + 1] - starts[i] - begin.size());
    const std::size_t body = piece.find(comment_end);
    const std::size_t type = piece.find("; Type: " + entries[i].type + "; ");
    // What is set for the entries behind it, such as a tablespace, would be lost on another session.
    if (body == std::string::npos || type > piece.find('\n') || piece.find("\nSET ") != std::string::npos)
      return {};
    out.push_back(piece.substr(body + comment_end.size()));
  }
  return out;
}

}  // namespace

SchemaArchive::SchemaArchive(const std::string& content, postgres::Tools tools,
                             const postgres::ConnectionSettings& settings)
    : tools_(std::move(tools)),
      reader_(reader_of(settings)),
      file_(base::memory_file("schema", content, reader_)) {}

base::UniqueFd SchemaArchive::list_file(const std::string& list) const {
  return base::memory_file("list", list, reader_);
}

void SchemaArchive::restore(Section section, const postgres::ConnectionSettings& settings, unsigned jobs,
                            const std::string& options, const std::stop_token& stop,
                            const std::optional<std::vector<ArchiveEntry>>& only) const {
  postgres::ToolRun run{"pg_restore", {"--exit-on-error", argument(section)}, options, true};
  base::UniqueFd list;
  if (only) {
    list = list_file(to_list(*only));
    run.arguments.push_back("--use-list=" + base::memory_file_path(list));
  }
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
    list = list_file(without_extensions(postgres::run_tool(tools_, listing, settings, sql_limit, stop)));
    run.arguments.push_back("--use-list=" + base::memory_file_path(list));
  }
  run.arguments.push_back(base::memory_file_path(file_));
  return without_psql_lines(postgres::run_tool(tools_, run, settings, sql_limit, stop), server_version);
}

std::vector<ArchiveEntry> SchemaArchive::entries(Section section, const std::stop_token& stop) const {
  const postgres::ToolRun run{
      "pg_restore", {"--list", argument(section), base::memory_file_path(file_)}, "", false};
  std::istringstream lines(postgres::run_tool(tools_, run, {}, sql_limit, stop));
  std::vector<ArchiveEntry> out;
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.front() != ';') out.push_back(parse_entry(line));
  }
  return out;
}

std::vector<std::string> SchemaArchive::statements(const std::vector<ArchiveEntry>& entries,
                                                   int server_version, const std::stop_token& stop) const {
  if (entries.empty()) return {};
  const base::UniqueFd list = list_file(to_list(entries));
  const postgres::ToolRun run{
      "pg_restore",
      {"--file=-", "--use-list=" + base::memory_file_path(list), base::memory_file_path(file_)},
      "",
      false};
  const std::string text = postgres::run_tool(tools_, run, {}, sql_limit, stop);
  return split_entries(without_psql_lines(text, server_version), entries);
}

}  // namespace tmb::restore
