// SPDX-License-Identifier: MIT
// A snapshot leaves: as our own archive, which keeps everything, or as plain SQL, which every psql loads.
// Reads only what it verifies; what is not whole gets no name.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>

#include "report/reporter.hh"
#include "repository/source.hh"
#include "transfer/file_kind.hh"
#include "transfer/output.hh"

namespace tmb::transfer {

struct ExportOptions {
  Destination destination;
  FileKind kind;
  unsigned jobs = 0;       // workers, 0: one per processor
  std::string pg_bin_dir;  // where to look for pg_restore first; may be empty
};

struct ExportOutcome {
  std::uint64_t bytes = 0;        // of the file
  std::uint64_t plain_bytes = 0;  // of the snapshot's content
  std::uint64_t rows = 0;
  double seconds = 0;
};

// Each throws damaged, naming the object; refused when the file is there; local_io; interrupted. Then there
// is no file, or the one that was there.

// Plain SQL as pg_dump writes it: definitions, rows, sequences, indexes and constraints, then the content of
// materialised views. Needs pg_restore of the release that wrote the snapshot's schema, or newer:
// unsupported.
ExportOutcome export_sql(const ExportOptions& options, const repository::BackupSource& source,
                         report::Reporter& reporter, const std::stop_token& stop);

// The files of `repository` that belong to `snapshot`, as they are stored: encrypted where the repository is.
ExportOutcome export_tmb(const ExportOptions& options, const repository::Repository& repository,
                         const repository::Manifest& snapshot, report::Reporter& reporter,
                         const std::stop_token& stop);

// Of the snapshot only what a user configured (teslamate/settings_tables.hh), as a .tmb of no repository's
// family and never encrypted: it is made to be carried elsewhere. Throws unsupported for an archive of
// pg_dump, refused for a database without TeslaMate's tables.
ExportOutcome export_settings(const ExportOptions& options, const repository::BackupSource& source,
                              report::Reporter& reporter, const std::stop_token& stop);

}  // namespace tmb::transfer
