// SPDX-License-Identifier: MIT
// A file that somebody brings to be restored: what it is, told by its content and never by its name, and the
// dump's own bytes out of whatever they are packed in. Extracts nothing and changes nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/byte_source.hh"
#include "base/fd.hh"
#include "base/file.hh"

namespace tmb::archive {

enum class Content {
  plain_sql,
  custom,          // pg_dump -Fc
  tar_dump,        // pg_dump -Ft
  directory_dump,  // pg_dump -Fd: a folder
  tmb,             // ours: see tmb.hh
  tracearr,        // a zip with metadata.json and a custom dump
  repository,      // a folder that is one of ours
};

class InputFile {
 public:
  // Opens and recognises. Throws not_found, local_io (not a file that can be read), damaged with an
  // explanation for what is no dump at all, refused for what is known and cannot be restored into TeslaMate,
  // unsupported.
  static InputFile open(const base::Path& path);

  InputFile(InputFile&&) noexcept;
  InputFile& operator=(InputFile&&) noexcept;
  ~InputFile();

  Content content() const;
  const base::Path& path() const;
  std::uint64_t size() const;    // of the file; of a folder, the sum of its files
  std::string describe() const;  // "plain SQL in gzip in tar (teslamate.sql)"
  // Lines end as on Windows or a terminal, because the dump went through one. read() mends it.
  bool has_carriage_returns() const;
  // The metadata.json of a Tracearr backup.
  const std::string& metadata() const;

  // The dump from its first byte. Not for a folder. One at a time: it moves position().
  std::unique_ptr<base::ByteSource> read() const;
  std::uint64_t position() const;  // of `size`, that the latest read() has taken
  // The file itself at its beginning, for a child that wants to seek; empty when it is packed.
  base::UniqueFd duplicate() const;
  // Of a tar dump: throws damaged unless the tar itself is whole, which pg_restore does not look at.
  void check_tar() const;
  // Throws damaged when the file is not what it was when it was opened.
  void check_unchanged() const;

 private:
  struct Impl;
  explicit InputFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tmb::archive
