// SPDX-License-Identifier: MIT
// What kind of file a name asks for, by its suffixes alone.
#pragma once

#include <string>

#include "archive/compress.hh"

namespace tmb::transfer {

enum class Content { tmb, sql };

struct FileKind {
  Content content = Content::sql;
  archive::Compression compression = archive::Compression::none;
};

// "x.tmb", "x.sql" or "x.bck", each with ".gz" or ".zst" behind it if wanted. Throws usage for anything else,
// naming what there is.
FileKind kind_of_file(const std::string& name);

// The same by its name without a dot: "tmb", "sql.gz". Throws usage.
FileKind kind_by_name(const std::string& name);

// ".sql.gz"
std::string describe(const FileKind& kind);

// Of a file of the scope "settings": throws usage for any but a .tmb.
void require_settings_kind(const FileKind& kind);

// What whoever makes one should know.
inline constexpr const char* settings_note =
    "the file is not encrypted: it holds VINs, places and addresses, but no tracks, passwords or tokens";

}  // namespace tmb::transfer
