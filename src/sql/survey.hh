// SPDX-License-Identifier: MIT
// What a dump holds, learned by reading all of it once: tables with their rows, sequences, extensions, roles,
// and everything that the person who loads it should know. Changes nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sql/walk.hh"

namespace tmb::sql {

struct SurveyTable {
  Name name;
  std::vector<std::string> columns;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  bool has_rows_section = false;  // COPY or INSERT, even of no row
};

struct SurveySequence {
  Name name;
  std::string last_value;
  bool is_called = false;
};

// Of one database of the file.
struct DatabaseSurvey {
  std::string name;  // empty: the file does not say
  // Of its CREATE DATABASE, empty where it has none.
  std::string encoding, provider, collate, ctype, locale;
  std::vector<SurveyTable> tables;
  std::vector<SurveySequence> sequences;
  std::vector<std::string> extensions;
  // The dump is one of a database with TimescaleDB, whose catalog's rows are in it: where its functions are.
  // Empty: it is none.
  std::string timescale_schema;
  std::vector<Name> materialized_views;
  std::map<std::string, std::uint64_t> owners;    // role: objects that it owns
  std::map<std::string, std::uint64_t> grantees;  // role: grants that name it
  std::vector<std::string> code;                  // of the author's own that the server would run
  std::map<std::string, std::uint64_t> left_out;  // what is not loaded: how often
  std::uint64_t large_objects = 0;
  std::string foreign_rows;  // a table that gets rows and is not made here; empty: none

  std::uint64_t rows() const;
  const SurveyTable* find(const std::string& schema, const std::string& table) const;
};

// Called with each cell of a watched column, in the order of `columns`; NULL is \N. For small tables.
struct Watch {
  Name table;
  std::vector<std::string> columns;
  std::function<void(const std::vector<std::string_view>& cells)> row;
};

class Survey final : public Visitor {
 public:
  explicit Survey(std::vector<Watch> watches = {}) : watches_(std::move(watches)) {
    databases_.emplace_back();
  }

  const std::vector<DatabaseSurvey>& databases() const { return databases_; }
  // Called with the bytes read so far, now and then.
  void on_progress(std::function<void()> report) { progress_ = std::move(report); }

  void database(const std::string& name) override;
  void statement(const Verdict& verdict, std::string_view text, std::uint64_t line) override;
  void rows(std::string_view bytes) override;
  void end_of_rows() override;

 private:
  SurveyTable* table_for_rows(const Name& name);
  bool is_of_timescale(const Name& name) const;
  void take_effect(const Verdict& verdict, std::uint64_t line);
  void begin_watch(const Name& name, const std::vector<std::string>& columns);
  void watch_rows(std::string_view bytes);
  void watch_line(std::string_view line);
  void watch_insert(const Verdict& verdict, std::string_view text);
  void tell_watch(const std::vector<std::string_view>& all);

  std::vector<DatabaseSurvey> databases_;
  std::vector<DatabaseSurvey> announced_;  // CREATE DATABASE seen, \connect not yet
  std::map<Name, std::size_t> index_;      // of the latest database's tables
  SurveyTable* table_ = nullptr;           // whose rows are being read
  bool rows_are_jobs_ = false;             // rows are programs to be run by TimescaleDB
  std::vector<Watch> watches_;
  const Watch* watch_ = nullptr;
  std::vector<std::size_t> watched_columns_;
  std::string partial_;
  std::function<void()> progress_;
};

}  // namespace tmb::sql
