// SPDX-License-Identifier: MIT
// What was run and how it ended: one small file for each run in <state folder>/history, written whole.
// Several accounts may write there (the timers' own, root for a restore). A file that cannot be read is
// passed over: the history is a help, never a reason to fail.
#pragma once

#include <string>
#include <vector>

#include "base/clock.hh"
#include "base/file.hh"
#include "report/json.hh"

namespace tmb::status {

struct RunRecord {
  std::string kind;  // backup, verify, drill, prune, restore
  base::Time started{};
  double seconds = 0;
  int exit_code = 0;  // 0 and 3 are good
  std::string error;  // its message; empty: none
  std::string snapshot;
  report::Json facts = report::Json::object();  // sizes, phases: what facts_of() picked
  std::vector<std::string> warnings{};          // that a run which ended with 3 gave

  bool good() const { return exit_code == 0 || exit_code == 3; }
  // Not so when another run was busy or somebody ended it: that says nothing about what it is for.
  bool tells() const { return exit_code != 11 && exit_code != 130 && exit_code != 143; }
  double number(const char* fact) const;  // 0 when it is not there
};

// Nothing without a state folder. Of each kind the newest `most_records` stay. Throws local_io.
inline constexpr std::size_t most_records = 600;
void add_record(const base::Path& state_dir, const RunRecord& record);

// Oldest first.
std::vector<RunRecord> read_records(const base::Path& state_dir);

// What is worth keeping of a program's --json document.
report::Json facts_of(const std::string& kind, const report::Json& document);

}  // namespace tmb::status
