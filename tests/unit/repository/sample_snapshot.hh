// SPDX-License-Identifier: MIT
// A small repository with one snapshot of each kind of object, for the tests of this folder only.
#pragma once

#include <string>

#include "base/error.hh"
#include "repository/repository.hh"

namespace tmb::test {

// Rows of two columns that the columns codec takes and shrinks.
inline std::string rows_text(int rows, int from = 1) {
  std::string text;
  for (int i = from; i < from + rows; ++i) {
    text += std::to_string(i) + "\t2026-01-01 00:00:" + (i % 60 < 10 ? "0" : "") + std::to_string(i % 60) +
            "\tkm\n";
  }
  return text;
}

inline repository::Manifest sample_manifest(const repository::Repository& repository, const std::string& id,
                                            int rows = 40) {
  using repository::ObjectType;
  repository::Workspace workspace;
  const auto& objects = repository.objects();
  repository::Manifest m;
  m.id = id;
  m.repository_id = repository.id();
  m.sequence = 1;
  m.time = base::parse_iso_utc("2026-11-20T02:15:03Z");
  m.database.name = "teslamate";
  m.database.encoding = "UTF8";
  m.schema = objects.put(ObjectType::schema, "PGDMP: not really, but any bytes do\n", workspace).ref;
  repository::TableData table;
  table.schema = "public";
  table.name = "positions";
  table.columns = {"id", "date", "unit"};
  repository::Chunk chunk;
  chunk.end_page = repository::Chunk::open_end;
  chunk.rows = static_cast<std::uint64_t>(rows) + 1;
  chunk.objects = {objects.put(ObjectType::rows, rows_text(rows), workspace).ref,
                   objects.put(ObjectType::rows, "one\ttext\tx\n", workspace).ref};
  table.rows = chunk.rows;
  table.chunks = {chunk};
  m.tables = {table};
  m.sequences = {{"public", "positions_id_seq", "41", true}};
  return m;
}

// Reads everything that a restore of the newest snapshot would read. Throws what a reader throws.
inline void read_whole_snapshot(const base::Path& path, const repository::AskSecret& ask = {}) {
  const auto repository = repository::Repository::open(path, ask);
  const auto manifest = repository.read_latest();
  if (!manifest) throw base::Error(base::ExitCode::not_found, "no snapshot");
  repository::Workspace workspace;
  std::string content;
  repository.objects().get(repository::ObjectType::schema, manifest->schema, workspace, content);
  for (const auto& table : manifest->tables) {
    for (const auto& chunk : table.chunks) {
      for (const auto& ref : chunk.objects)
        repository.objects().get(repository::ObjectType::rows, ref, workspace, content);
    }
  }
}

}  // namespace tmb::test
