// SPDX-License-Identifier: MIT
// Looks at a repository without changing it: are the snapshots complete, and with read_data, is every byte of
// them what it was. Collects all damage instead of stopping at the first. Repairs nothing.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "base/exit_code.hh"
#include "report/reporter.hh"
#include "repository/known_damage.hh"
#include "repository/repository.hh"

namespace tmb::verify {

struct Options {
  std::vector<std::string> snapshots{};  // ids; empty: all
  bool read_data = false;                // else only that every object is there, of the right length
  std::vector<unsigned> parts{};         // without read_data: read objects whose ids begin with these bytes
  repository::KnownDamage known{};       // of earlier verifications: this is read whole in any case
  bool reads(const std::string& object_id) const;
  unsigned jobs = 0;  // 0: one worker for each processor
};

// A file of the repository that is not as it should be.
struct Damage {
  base::ExitCode code = base::ExitCode::damaged;  // or local_io: it could not be read
  std::string file;                               // path below the repository
  std::string why;
};

// What a table of a damaged snapshot has lost.
struct DamagedTable {
  std::string name;  // schema.table
  std::uint64_t rows = 0;
  std::uint64_t rows_damaged = 0;  // in chunks with damage in them
};

struct SnapshotReport {
  std::string id;
  bool complete = false;
  bool manifest_readable = false;
  bool schema_damaged = false;
  bool miscounted = false;  // a table has other rows than the manifest says
  std::uint64_t tables = 0;
  std::uint64_t rows = 0;
  std::vector<DamagedTable> damaged_tables;
  std::vector<std::string>
      damaged_files;  // that it carries, by their paths on the machine that was backed up
};

struct Report {
  std::vector<SnapshotReport> snapshots;  // oldest first
  std::vector<Damage> damage;             // by file
  std::uint64_t objects = 0;              // distinct ones that the snapshots name
  std::uint64_t stored_bytes = 0;         // of those
  std::uint64_t plain_bytes = 0;          // of those, decoded
  std::uint64_t orphans = 0;  // objects that no snapshot names; counted only when all are verified
  std::uint64_t orphan_bytes = 0;
  repository::KnownDamage damaged;  // what to remember of it
  repository::KnownDamage mended;   // of Options::known: read whole and good, or gone with its snapshots
  std::vector<std::string> strays;  // files that do not belong into a repository

  bool intact() const { return damage.empty(); }
  std::size_t complete_snapshots() const;
};

// Holds the reader's lock. Throws not_found for a snapshot that is not there, interrupted when asked to stop,
// locked, and what opening folders throws; damage is in the report.
Report verify(const repository::Repository& repository, const Options& options, report::Reporter& reporter,
              const std::stop_token& stop);

}  // namespace tmb::verify
