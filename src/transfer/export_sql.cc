// SPDX-License-Identifier: MIT
#include <algorithm>
#include <chrono>

#include "base/child_stream.hh"
#include "base/error.hh"
#include "base/file.hh"
#include "base/workers.hh"
#include "postgres/tools.hh"
#include "repository/dump_stream.hh"
#include "transfer/export.hh"
#include "transfer/ordered.hh"
#include "transfer/sql_text.hh"

namespace tmb::transfer {

using repository::Manifest;
using repository::ObjectRef;
using repository::ObjectType;

namespace {

constexpr std::size_t script_limit = std::size_t{256} << 20U;
// Small items share a piece: each piece is compressed for itself.
constexpr std::uint64_t piece_bytes = std::uint64_t{4} << 20U;

// Text, or the rows of an object.
struct Item {
  std::string text;
  const ObjectRef* object = nullptr;
  std::uint64_t bytes() const { return object == nullptr ? text.size() : object->plain_bytes; }
};

using Piece = std::vector<Item>;

class Pieces {
 public:
  void add(Item item) {
    const std::uint64_t bytes = item.bytes();
    if (bytes == 0) return;
    if (list_.empty() || last_bytes_ + bytes > piece_bytes) {
      list_.emplace_back();
      last_bytes_ = 0;
    }
    last_bytes_ += bytes;
    total_ += bytes;
    list_.back().push_back(std::move(item));
  }
  const std::vector<Piece>& list() const { return list_; }
  std::uint64_t total() const { return total_; }

 private:
  std::vector<Piece> list_;
  std::uint64_t last_bytes_ = 0;
  std::uint64_t total_ = 0;
};

// The oldest that reads what the snapshot's pg_dump wrote.
postgres::Tools tools_for(const ExportOptions& options, const Manifest& manifest) {
  const std::optional<postgres::ToolVersion> wrote =
      postgres::parse_tool_version("pg_dump (PostgreSQL) " + manifest.dump_tool_version);
  return postgres::choose_tools(postgres::find_tools(options.pg_bin_dir), wrote ? wrote->major : 0);
}

Script read_script(const ExportOptions& options, const repository::BackupSource& source,
                   const std::stop_token& stop) {
  const Manifest& manifest = source.manifest();
  const postgres::Tools tools = tools_for(options, manifest);
  repository::Workspace workspace;
  std::string archive;
  source.read(ObjectType::schema, manifest.schema, workspace, archive);
  const base::UniqueFd file = base::memory_file("schema", archive);
  const auto section = [&](const char* name) {
    const postgres::ToolRun run{"pg_restore", {"--file=-", name, base::memory_file_path(file)}, "", false};
    return postgres::run_tool(tools, run, {}, script_limit, stop);
  };
  return join_sections(section("--section=pre-data"), section("--section=post-data"));
}

Pieces pieces_of(const Manifest& manifest, Script script) {
  Pieces pieces;
  pieces.add({std::move(script.before)});
  for (const repository::TableData& table : manifest.tables) {
    pieces.add({copy_begin(table)});
    for (const repository::Chunk& chunk : table.chunks) {
      for (const ObjectRef& ref : chunk.objects) pieces.add({"", &ref});
    }
    pieces.add({copy_end});
  }
  for (const repository::SequenceState& sequence : manifest.sequences) pieces.add({sequence_set(sequence)});
  pieces.add({std::move(script.after)});
  for (const std::string& view : manifest.materialized_views) pieces.add({refresh(view)});
  pieces.add({std::move(script.end)});
  return pieces;
}

// Replaces `text`; `content` is scratch space.
void make_text(const repository::BackupSource& source, const Piece& piece, repository::Workspace& workspace,
               std::string& content, std::string& text) {
  if (piece.size() == 1 && piece.front().object != nullptr) {
    source.read(ObjectType::rows, *piece.front().object, workspace, text);
    return;
  }
  text.clear();
  for (const Item& item : piece) {
    if (item.object == nullptr) {
      text += item.text;
    } else {
      source.read(ObjectType::rows, *item.object, workspace, content);
      text += content;
    }
  }
}

// A snapshot of the pg_dump engine: pg_restore turns its archive into SQL.
ExportOutcome export_archive(const ExportOptions& options, const repository::BackupSource& source,
                             report::Reporter& reporter, const std::stop_token& stop) {
  const auto started = std::chrono::steady_clock::now();
  Output output(options.destination, options.kind.compression != archive::Compression::none);
  PackedOutput packed(output, options.kind.compression);
  base::ProcessOptions child_options;
  child_options.argv = {tools_for(options, source.manifest()).path("pg_restore"), "--file=-"};
  child_options.environment = {"LC_ALL=C", "PATH=/usr/bin:/bin"};
  child_options.stop = stop;
  reporter.begin_phase("writing", output.name(), 0, report::Unit::bytes);
  repository::DumpStream archive(source);
  base::ChildStream child(child_options, archive);
  std::string text(std::size_t{256} << 10U, '\0');
  while (const std::size_t got = child.read(text)) packed.write(std::string_view(text).substr(0, got));
  if (child.exit_code() != 0) {
    throw base::Error(base::ExitCode::damaged, "pg_restore does not read the archive to its end: " +
                                                   postgres::first_error(child.errors()));
  }
  packed.flush();
  output.commit();
  reporter.end_phase(report::byte_size(output.size()));
  return {output.size(), source.manifest().plain_bytes(), source.manifest().rows(),
          std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count()};
}

}  // namespace

ExportOutcome export_sql(const ExportOptions& options, const repository::BackupSource& source,
                         report::Reporter& reporter, const std::stop_token& stop) {
  if (source.manifest().by_pg_dump()) return export_archive(options, source, reporter, stop);
  const auto started = std::chrono::steady_clock::now();
  const archive::Compression compression = options.kind.compression;
  Output output(options.destination, compression != archive::Compression::none);
  const Pieces pieces = pieces_of(source.manifest(), read_script(options, source, stop));

  reporter.begin_phase("writing", output.name(), pieces.total(), report::Unit::bytes);
  std::uint64_t done = 0;
  const auto make = [&](std::size_t number, Bench& bench, std::string& out) {
    const Piece& piece = pieces.list()[number];
    if (compression == archive::Compression::none) {
      make_text(source, piece, bench.workspace, bench.content, out);
    } else {
      make_text(source, piece, bench.workspace, bench.content, bench.text);
      out.clear();
      archive::append_compressed(compression, bench.text, out);
    }
  };
  make_in_order(pieces.list().size(), base::worker_count(options.jobs), stop, make,
                [&](std::size_t number, const std::string& bytes) {
                  output.write(bytes);
                  for (const Item& item : pieces.list()[number]) done += item.bytes();
                  reporter.progress(done);
                });
  output.commit();
  reporter.end_phase(report::byte_size(output.size()));
  return {output.size(), pieces.total(), source.manifest().rows(),
          std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count()};
}

}  // namespace tmb::transfer
