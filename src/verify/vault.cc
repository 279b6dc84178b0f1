// SPDX-License-Identifier: MIT
#include "verify/vault.hh"

#include <algorithm>

namespace tmb::verify {

namespace {

// The cells of one line of COPY text; a bytea in hex needs only its backslash back.
std::vector<std::string> cells_of(std::string_view line) {
  std::vector<std::string> cells(1);
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\t') {
      cells.emplace_back();
    } else if (line[i] == '\\' && i + 1 < line.size() && line[i + 1] == '\\') {
      cells.back() += line[++i];
    } else {
      cells.back() += line[i];
    }
  }
  return cells;
}

}  // namespace

teslamate::VaultReport check_vault(const repository::Repository& repository,
                                   const repository::Manifest& manifest, const base::Secret& encryption_key) {
  std::vector<std::string> values;
  const repository::TableData* table = manifest.find_table("private", "tokens");
  if (table == nullptr) return teslamate::judge_values(values, encryption_key);
  std::vector<std::size_t> wanted;
  for (std::size_t i = 0; i < table->columns.size(); ++i) {
    if (table->columns[i] == "access" || table->columns[i] == "refresh") wanted.push_back(i);
  }
  repository::Workspace workspace;
  std::string content;
  for (const repository::Chunk& chunk : table->chunks) {
    for (const repository::ObjectRef& ref : chunk.objects) {
      repository.objects().get(repository::ObjectType::rows, ref, workspace, content);
      for (std::string_view rest = content; !rest.empty();) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        const std::vector<std::string> cells = cells_of(rest.substr(0, end));
        for (const std::size_t i : wanted) {
          if (i < cells.size() && cells[i] != "\\N") values.push_back(cells[i]);
        }
        rest.remove_prefix(std::min(end + 1, rest.size()));
      }
    }
  }
  return teslamate::judge_values(values, encryption_key);
}

}  // namespace tmb::verify
