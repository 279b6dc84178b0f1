// SPDX-License-Identifier: MIT
// The folder of undo files. A file's suffix is how far its act came: .pending before it is known to have
// happened, .undo when it has, .undone when it was taken back. Decides nothing about rows.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.hh"
#include "base/lock.hh"
#include "teslamate/undo_file.hh"

namespace tmb::teslamate {

enum class UndoState { pending, done, undone };

struct UndoEntry {
  base::Path path;
  std::string name;  // without folder and suffix
  UndoState state = UndoState::done;
};

class UndoStore {
 public:
  // `seal` may be null: files are then plain text. It must live as long as this.
  UndoStore(base::Path state_dir, const UndoSeal* seal) : state_dir_(std::move(state_dir)), seal_(seal) {}

  // Makes the folders if they are missing. The writer's file gets the suffix .pending; `path` is its name.
  struct Pending {
    base::Path path;
    std::unique_ptr<UndoWriter> writer;
  };
  Pending begin(const UndoHeader& header, base::Time now) const;

  // The act has happened: .pending becomes .undo, durably. Returns the new path.
  base::Path confirm(const base::Path& pending) const;
  // It has not: the file goes.
  void discard(const base::Path& pending) const;
  // It was taken back: .undo becomes .undone.
  base::Path mark_undone(const base::Path& path) const;

  // Oldest first; empty when there is no folder.
  std::vector<UndoEntry> list() const;
  // "last" is the newest that is not undone yet; else a path, or a name as list() has it. Throws not_found.
  UndoEntry find(const std::string& wanted) const;
  // While it is held nobody else takes an act back. Throws locked.
  base::FileLock lock() const;
  // Held while TeslaMate is closing a record: its .pending file is then nobody else's to settle. Several may
  // hold it.
  base::FileLock lock_close() const;
  // False while another holds it.
  bool nobody_closes() const;

  const UndoSeal* seal() const { return seal_; }
  base::Path folder() const { return state_dir_ / "undo"; }

 private:
  base::Path lock_file() const;
  base::Path moved(const base::Path& path, const char* suffix) const;

  base::Path state_dir_;
  const UndoSeal* seal_;
};

// A restore replaces the database: what is changed meanwhile would be lost. Throws locked while one runs on
// this machine; the lock keeps one from starting.
std::optional<base::FileLock> keep_restores_out(const base::Path& state_dir);

}  // namespace tmb::teslamate
