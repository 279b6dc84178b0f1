// SPDX-License-Identifier: MIT
// Deletes drives, charges, cars and orphaned positions: shown first, asked, then one transaction in which the
// rows are locked, are those that were shown, and are kept in an undo file before anything is committed.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.hh"
#include "postgres/connection.hh"
#include "report/json.hh"
#include "report/reporter.hh"
#include "teslamate/ids.hh"
#include "teslamate/undo_file.hh"

namespace tmb::teslamate {

enum class Kind { drive, charge, car };

// What a drive's track becomes: ask where there is a terminal, else keep.
enum class Track { ask, keep, remove };

struct RemoveOptions {
  Kind kind = Kind::drive;
  Ids ids;
  bool orphans = false;  // instead of ids: what the tracks of deleted drives left behind
  Track track = Track::ask;
  bool force = false;  // also what is still open
  bool dry_run = false;
  int lock_timeout_ms = 5000;
};

struct MaintenanceAdapters {
  postgres::ConnectionSettings database;
  base::Path state_dir;
  const base::Clock& clock;
  const UndoSeal* seal = nullptr;  // null: undo files are plain text
  // False when the answer is yes beforehand: then nobody is waited for.
  bool asks = true;
  // Returns when the answer is yes, throws refused when it is no.
  std::function<void(const std::string& question)> confirm;
  // nullopt where there is nobody to ask.
  std::function<std::optional<bool>(const std::string& question)> ask;
};

struct Outcome {
  std::vector<std::string> lines;
  report::Json document = report::Json::object();
};

std::string_view name_of(Kind kind);

// Throws not_found for an id that is not there, refused for what is open or has changed since it was shown,
// locked when somebody holds the rows, database, local_io.
Outcome remove_rows(const RemoveOptions& options, const MaintenanceAdapters& adapters,
                    report::Reporter& reporter, const std::stop_token& stop);

}  // namespace tmb::teslamate
