// SPDX-License-Identifier: MIT
#include "transfer/file_kind.hh"

#include <optional>

#include "base/error.hh"

namespace tmb::transfer {

using archive::Compression;
using base::Error;
using base::ExitCode;

namespace {

bool cut_suffix(std::string_view& name, std::string_view suffix) {
  if (!name.ends_with(suffix)) return false;
  name.remove_suffix(suffix.size());
  return true;
}

std::optional<FileKind> parse(std::string_view name) {
  FileKind kind;
  if (cut_suffix(name, ".gz")) {
    kind.compression = Compression::gzip;
  } else if (cut_suffix(name, ".zst")) {
    kind.compression = Compression::zstd;
  }
  if (name.ends_with(".tmb")) {
    kind.content = Content::tmb;
  } else if (!name.ends_with(".sql") && !name.ends_with(".bck")) {
    return std::nullopt;
  }
  return kind;
}

constexpr const char* kinds = ".tmb, .sql or .bck, each with .gz or .zst behind it if wanted";

}  // namespace

FileKind kind_of_file(const std::string& name) {
  if (const auto kind = parse(name)) return *kind;
  throw Error(ExitCode::usage,
              "what kind of file is to be written cannot be told from the name " + base::printable(name))
      .with_hint(std::string("end it in ") + kinds);
}

FileKind kind_by_name(const std::string& name) {
  if (const auto kind = parse("." + name)) return *kind;
  throw Error(ExitCode::usage, "there is no format " + base::printable(name))
      .with_hint("the formats are: tmb, sql, sql.gz, sql.zst");
}

void require_settings_kind(const FileKind& kind) {
  if (kind.content == Content::tmb) return;
  throw Error(ExitCode::usage, "--scope settings writes a .tmb and no " + describe(kind))
      .with_hint(
          "end the file's name in .tmb; to look into it: teslamate-restore --scope settings --dry-run FILE");
}

std::string describe(const FileKind& kind) {
  const std::string content = kind.content == Content::tmb ? ".tmb" : ".sql";
  if (kind.compression == Compression::gzip) return content + ".gz";
  return kind.compression == Compression::zstd ? content + ".zst" : content;
}

}  // namespace tmb::transfer
