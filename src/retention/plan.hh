// SPDX-License-Identifier: MIT
// Which snapshots stay and why: a pure function of what there is and of the owner's rules. Reads nothing,
// removes nothing.
//
// Hours, days, weeks (from Monday), months and years are those of the machine's time zone. Of each such
// period the newest snapshot counts, beginning with the newest period that has one: a machine that was off
// for a month loses nothing by it. `within` is counted from the newest snapshot, not from now, so that a
// clock which jumps ahead makes nothing old. Only complete snapshots of the timer take part; what a person
// made or tagged is neither removed nor counted.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.hh"

namespace tmb::retention {

struct Policy {
  unsigned keep_last = 7;  // 0 switches a rule off; with all of them off everything stays
  unsigned hourly = 24;
  unsigned daily = 30;
  unsigned weekly = 12;
  unsigned monthly = 36;
  unsigned yearly = 50;
  std::chrono::seconds within{0};
  unsigned minimum = 3;  // complete snapshots that always stay; at least 1 does

  bool has_rules() const;
};

struct Candidate {
  std::string id;
  base::Time time{};
  bool scheduled = false;  // false: a person's, never removed
  bool pinned = false;
  std::string tag;
  std::string damage;  // empty: complete
};

enum class Rule {
  newest,
  last,
  hourly,
  daily,
  weekly,
  monthly,
  yearly,
  oldest,
  within,
  minimum,
  hand,
  damaged
};

struct Reason {
  Rule rule;
  std::string text;  // "daily 3 of 30"
};

struct Verdict {
  Candidate snapshot;
  std::vector<Reason> reasons;  // none: it goes
  bool keep() const { return !reasons.empty(); }
};

// The local calendar: tests give their own.
struct LocalTime {
  int year = 0;
  int month = 0;  // 1 to 12
  int day = 0;
  int hour = 0;
  long offset = 0;  // seconds east of UTC: tells the two hours apart that a clock set back shows twice
};
using Calendar = std::function<LocalTime(base::Time)>;
LocalTime local_calendar(base::Time time);  // of $TZ or /etc/localtime

// Clocks of two machines that share a repository may differ by this much.
inline constexpr std::chrono::minutes future_tolerance{10};

// `snapshots` in the order in which they were taken, and so the verdicts. Throws refused when one lies in the
// future (then either it or the clock is wrong), and when none of them is complete.
std::vector<Verdict> make_plan(const std::vector<Candidate>& snapshots, const Policy& policy, base::Time now,
                               const Calendar& calendar = local_calendar);

}  // namespace tmb::retention
