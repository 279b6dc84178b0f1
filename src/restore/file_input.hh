// SPDX-License-Identifier: MIT
// A dump made by pg_dump, in whatever form and container, on the road of a restore. It is read through once
// to learn what it is and whether it may be loaded, and a second time to load it: statement by statement, by
// us. psql is never run; pg_restore only to turn an archive into SQL, where it may crash without harm.
#pragma once

#include <memory>
#include <optional>

#include "archive/input.hh"
#include "postgres/tools.hh"
#include "restore/input.hh"
#include "restore/tracearr.hh"
#include "sql/survey.hh"

namespace tmb::restore {

struct FileOptions {
  bool allow_incomplete = false;  // a dump that was cut off, loaded beside the live data alone
  bool trust_code = false;        // functions and triggers of the file may be loaded
  bool beside = false;            // --as-database: nothing is replaced
  bool only_look = false;         // it will not be loaded at all: only what cannot be read is an error
  std::string pg_bin_dir;         // where to look for pg_restore; empty: the usual places
};

class FileInput final : public Input {
 public:
  FileInput(archive::InputFile file, FileOptions options);

  void read_everything(Proof proof, unsigned jobs, report::Reporter& reporter,
                       const std::stop_token& stop) override;
  const repository::Manifest& manifest() const override { return manifest_; }
  void preflight(Session& session, Target& target) override;
  void load(Session& session, const Target& target, const StagingDatabase& staging) override;
  std::string word() const override { return "file"; }
  std::string title() const override;
  std::string origin() const override;
  std::string mark() const override;

  const archive::InputFile& file() const { return file_; }
  // Known once it was read.
  const sql::DumpFrame& frame() const { return frame_; }
  const sql::DatabaseSurvey& database() const { return database_; }
  // Where a dump was cut off, as a sentence; empty: it is complete.
  std::string incompleteness() const;
  const std::vector<std::string>& other_databases() const { return others_; }
  // Whether the rows of this database of the file are those that are loaded.
  bool is_chosen(std::size_t number) const { return number == chosen_; }
  // The most frequent owner in the file: its objects become the live database's owner's.
  std::string main_owner() const;

 private:
  void choose_database(const std::vector<sql::DatabaseSurvey>& databases);
  void check_complete(report::Reporter& reporter) const;
  void check_content() const;
  void check_code() const;
  void fill_manifest();
  void tell_left_out(Session& session, const Target& target) const;

  archive::InputFile file_;
  FileOptions options_;
  std::optional<postgres::Tools> tools_;  // with a pg_restore, when one is needed
  sql::DumpFrame frame_;
  sql::DatabaseSurvey database_;
  std::size_t chosen_ = 0;
  std::vector<std::string> others_;
  TracearrFacts tracearr_;
  std::string end_note_;  // where it was cut off, for the message
  repository::Manifest manifest_;
};

}  // namespace tmb::restore
