// SPDX-License-Identifier: MIT
// One act's undo file: the rows as they were, in COPY text, with a hash over all of it; compressed, and
// sealed piece by piece where a key is given. Written as a stream, read through once and checked before a row
// of it is used. Knows nothing of what the rows mean. A plain one can be read by hand: tail -n +2 FILE | zstd
// -dc
//
//   teslamate-backup undo 1 plain|sealed     the first line; the rest are zstd frames, which may be sealed,
//   of {header}                                 what was done, when, where
//   {"table": …, "change": …}                a section, followed by its rows and a line \.
//   {"end": true, "rows": N, "sha256": …}    over all bytes between the first line and this one
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hh"
#include "base/file.hh"
#include "catalog/relations.hh"
#include "crypto/sha256.hh"
#include "report/json.hh"

namespace tmb::teslamate {

struct UndoHeader {
  std::string act;    // delete-drive, close-charge, …
  std::string title;  // for people: "drive 42 of Model 3, 12 May 2026"
  std::vector<std::int64_t> ids;
  std::string time;  // iso_utc
  catalog::DatabaseIdentity database;
  // The transaction of the act, by which its end is known after a crash; empty for an act of TeslaMate's own.
  std::string transaction;
};

// deleted: rows that went. changed: the key, then the columns as they were, then as they became. inserted:
// rows that came.
enum class Change { deleted, changed, inserted };

struct UndoSection {
  catalog::Relation table;
  Change change = Change::deleted;
  std::vector<std::string> key;      // of changed alone
  std::vector<std::string> columns;  // a changed row has them twice
};

class Packer;

// Seals or opens one piece (a frame of at most a mebibyte of text); `number` counts from 0 and `last` marks
// the final one, so that no piece can be left out, repeated or cut off.
struct UndoSeal {
  std::function<std::string(std::string_view piece, std::uint64_t number, bool last)> seal;
  std::function<std::string(std::string_view piece, std::uint64_t number, bool last)> open;
};

class UndoWriter {
 public:
  // Makes a temporary file beside `path`, gone again unless published. Throws local_io.
  UndoWriter(base::Path path, const UndoHeader& header, const UndoSeal* seal);
  UndoWriter(const UndoWriter&) = delete;
  UndoWriter& operator=(const UndoWriter&) = delete;
  ~UndoWriter();

  void begin(const UndoSection& section);
  void row(std::string_view line);  // COPY text with its newline
  void end();
  // Durable under its name when it returns. Throws refused when there is such a file.
  void publish();
  std::uint64_t rows() const { return rows_; }

 private:
  void put(std::string_view text);
  void flush(bool last);

  base::Path path_;
  base::Path temporary_;
  base::UniqueFd fd_;
  const UndoSeal* seal_;
  std::unique_ptr<Packer> packer_;
  crypto::Sha256 hash_;
  std::string buffer_;
  std::uint64_t pieces_ = 0;
  std::uint64_t rows_ = 0;
  bool there_ = true;
};

// Reads the whole file twice: once to check it, once for its rows.
class UndoReader {
 public:
  // Throws not_found, refused when it belongs to another account or others may write it, damaged when it is
  // not whole, wrong_key when it is sealed and `seal` is null.
  UndoReader(base::Path path, const UndoSeal* seal);

  const UndoHeader& header() const { return header_; }
  const std::vector<UndoSection>& sections() const { return sections_; }
  std::uint64_t rows_of(std::size_t section) const { return counts_[section]; }
  // The rows of one section after the other.
  void read(const std::function<void(std::size_t section, std::string_view line)>& row) const;

 private:
  void check();

  base::Path path_;
  const UndoSeal* seal_;
  UndoHeader header_;
  std::vector<UndoSection> sections_;
  std::vector<std::uint64_t> counts_;
};

// One COPY text cell.
std::string copy_cell(const std::optional<std::string>& value);

}  // namespace tmb::teslamate
