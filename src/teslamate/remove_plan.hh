// SPDX-License-Identifier: MIT
// What a deletion would take, in one transaction: the records themselves, every row that goes with them, and
// the words for it. Private to the deletion.
#pragma once

#include <string>
#include <vector>

#include "teslamate/closure.hh"
#include "teslamate/orphans.hh"
#include "teslamate/records.hh"
#include "teslamate/remove.hh"

namespace tmb::teslamate {

struct RemovePlan {
  std::vector<Drive> drives;
  std::vector<Charge> charges;
  std::vector<CarRow> cars;
  std::vector<Orphans> orphans;
  std::vector<std::string> open;      // what is not closed yet, in words
  std::uint64_t kept_referenced = 0;  // positions of the track that other rows need
  // Changes when a record or a number that was shown changes.
  std::string fingerprint;
};

catalog::Relation table_of(Kind kind);

// Locks the records (FOR UPDATE) and finds their rows. `track` is keep or remove.
RemovePlan plan_removal(postgres::Connection& connection, const RemoveOptions& options, Track track,
                        Closure& closure);

// For people: the records, what they come to, and the rows that go or change with them. And for --json.
std::vector<std::string> describe_records(const RemovePlan& plan);
std::vector<std::string> describe_sum(const RemovePlan& plan);
std::vector<std::string> describe_rows(const RemovePlan& plan, const Closure& closure);
report::Json to_json(const RemovePlan& plan, const Closure& closure);
// "drive 42", "orphaned positions".
std::string subject_of(const RemoveOptions& options);
std::string title_of(const RemovePlan& plan, const RemoveOptions& options);

}  // namespace tmb::teslamate
