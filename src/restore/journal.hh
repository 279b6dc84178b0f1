// SPDX-License-Identifier: MIT
// What a restore is about to do, durably on disk before it does it, so that another run can finish or undo
// the work of one that died. Holds no secret. The truth about the databases is in their OIDs; this says what
// was meant.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/file.hh"

namespace tmb::restore {

// Each is written before its first action.
enum class Step {
  staging,   // a database of this name is being made and filled; the live one is not touched
  stopping,  // the units are being stopped
  closing,   // the live database's door is being closed, other sessions ended
  swapping,  // the names are being swapped, in one transaction
  starting,  // the new database is live; the units are being started and watched
  undoing,   // the new database did not do; the old one is being put back
};

struct UnitRecord {
  std::string name;
  bool was_active = false;    // to be started again
  bool keep_stopped = false;  // whatever it was, it stays down
};

struct Journal {
  std::string run;
  std::string operation;  // restore, as-database, in-place or rollback
  Step step = Step::staging;
  std::string system_identifier;  // of the server
  std::string live;               // the name that is to be live
  std::uint32_t live_oid = 0;     // of the database that carried it; 0: there was none
  std::string staging;            // the name of the database that is to replace it
  std::uint32_t staging_oid = 0;  // 0 until it is made
  std::string kept;               // the name that the old one gets; empty: there was none
  std::string snapshot;           // empty in a rollback
  // In place: the snapshot of what was there before, and the transaction that replaces it; empty: COMMIT was
  // not sent yet.
  std::string before;
  std::string transaction;
  std::vector<UnitRecord> units;
  // Comments that are not in the databases themselves any more: of the staging one in a rollback.
  std::optional<std::string> live_comment;
  std::optional<std::string> staging_comment;
};

std::string name_of(Step step);

class JournalFile {
 public:
  explicit JournalFile(const base::Path& state_dir) : path_(state_dir / "restore.journal") {}
  // nullopt: nothing is unfinished. Throws needs_person when the file is there and cannot be understood.
  std::optional<Journal> read() const;
  // Durable when it returns. Throws local_io.
  void write(const Journal& journal) const;
  // Throws local_io. Nothing there is no error.
  void remove() const;
  const base::Path& path() const { return path_; }

 private:
  base::Path path_;
};

}  // namespace tmb::restore
