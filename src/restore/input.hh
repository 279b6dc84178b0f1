// SPDX-License-Identifier: MIT
// What is brought back: a snapshot of ours or a file of another program. Each knows how it is read whole,
// what else has to be looked at before anything is touched, and how it fills a database; the rest of the road
// is the same for all.
#pragma once

#include <stop_token>
#include <string>

#include "report/reporter.hh"
#include "repository/source.hh"

namespace tmb::restore {

struct Session;
struct Target;
class StagingDatabase;

// How a snapshot is read before anything is touched. `stored`: every object is there as it was written; what
// is in it is proved when it is loaded. `content`: decoded and compared with its name too.
enum class Proof { stored, content };

class Input {
 public:
  virtual ~Input() = default;

  // Reads every byte, before anything is touched; a file of another program always to its content. Throws
  // damaged, unsupported, refused.
  virtual void read_everything(Proof proof, unsigned jobs, report::Reporter& reporter,
                               const std::stop_token& stop) = 0;
  // What it holds; of a file, known once it was read.
  virtual const repository::Manifest& manifest() const = 0;
  // What else must be right, or should be said, before it is loaded there.
  virtual void preflight(Session& session, Target& target) = 0;
  // Schema, rows, sequences, indexes and constraints, materialised views.
  virtual void load(Session& session, const Target& target, const StagingDatabase& staging) = 0;

  virtual std::string word() const = 0;   // "snapshot" or "file", for messages
  virtual std::string title() const = 0;  // "snapshot 2026…", "the file /x/y.sql"
  // What it is and where it comes from, for people: kind, whether complete, versions. Of a file, once read.
  virtual std::string origin() const = 0;
  virtual std::string mark() const = 0;  // for the comment of databases: a snapshot's id, a file's name
  // Null when the content cannot be read in pieces.
  virtual const repository::BackupSource* source() const { return nullptr; }
};

// Whether its maker may be somebody else. Then its definitions are held to what a dump of another program may
// say, and refused when they say more.
struct SnapshotTrust {
  bool of_stranger = false;
  std::string pg_bin_dir;  // where to look for pg_restore; empty: the usual places
};

class SnapshotInput final : public Input {
 public:
  explicit SnapshotInput(const repository::BackupSource& source, SnapshotTrust trust = {})
      : source_(source), trust_(std::move(trust)) {}
  void read_everything(Proof proof, unsigned jobs, report::Reporter& reporter,
                       const std::stop_token& stop) override;
  const repository::Manifest& manifest() const override { return source_.manifest(); }
  void preflight(Session& session, Target& target) override;
  void load(Session& session, const Target& target, const StagingDatabase& staging) override;
  std::string word() const override { return "snapshot"; }
  std::string title() const override { return "snapshot " + manifest().id; }
  std::string origin() const override;
  std::string mark() const override { return manifest().id; }
  const repository::BackupSource* source() const override { return &source_; }

 private:
  const repository::BackupSource& source_;
  SnapshotTrust trust_;
};

}  // namespace tmb::restore
