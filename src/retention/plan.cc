// SPDX-License-Identifier: MIT
#include "retention/plan.hh"

#include <algorithm>
#include <ctime>
#include <set>
#include <tuple>

#include "base/error.hh"

namespace tmb::retention {

using base::Error;
using base::ExitCode;

namespace {

// What two snapshots of the same period have in common.
using Period = std::tuple<long, long>;
using PeriodOf = std::function<Period(const LocalTime&)>;

long day_number(const LocalTime& t) {
  using namespace std::chrono;
  const sys_days days =
      year(t.year) / month(static_cast<unsigned>(t.month)) / day(static_cast<unsigned>(t.day));
  return days.time_since_epoch().count();
}

Period hour_of(const LocalTime& t) { return {day_number(t) * 24 + t.hour, t.offset}; }
Period day_of(const LocalTime& t) { return {day_number(t), 0}; }
Period month_of(const LocalTime& t) { return {t.year, t.month}; }
Period year_of(const LocalTime& t) { return {t.year, 0}; }
Period week_of(const LocalTime& t) {
  const long from_monday = day_number(t) + 3;  // 1970-01-01 was a Thursday
  return {(from_monday >= 0 ? from_monday : from_monday - 6) / 7, 0};
}

class Planner {
 public:
  Planner(const std::vector<Candidate>& snapshots, const Policy& policy, const Calendar& calendar)
      : policy_(policy), calendar_(calendar) {
    for (const Candidate& snapshot : snapshots) verdicts_.push_back({snapshot, {}});
    std::for_each(verdicts_.rbegin(), verdicts_.rend(), [this](Verdict& one) { sort_out(one); });
  }

  std::vector<Verdict> run() {
    if (complete_.empty()) return std::move(verdicts_);
    complete_.front()->reasons.push_back({Rule::newest, "the newest"});
    if (policy_.has_rules()) {
      keep_last();
      keep_periods(Rule::hourly, "hourly", policy_.hourly, hour_of);
      keep_periods(Rule::daily, "daily", policy_.daily, day_of);
      keep_periods(Rule::weekly, "weekly", policy_.weekly, week_of);
      keep_periods(Rule::monthly, "monthly", policy_.monthly, month_of);
      keep_periods(Rule::yearly, "yearly", policy_.yearly, year_of);
      keep_oldest();
      keep_within();
    } else {
      for (Verdict* one : counted_) one->reasons.push_back({Rule::last, "no rule is set"});
    }
    keep_minimum();
    return std::move(verdicts_);
  }

 private:
  // Called for the newest first.
  void sort_out(Verdict& one) {
    const Candidate& s = one.snapshot;
    if (s.pinned) one.reasons.push_back({Rule::hand, "pinned"});
    if (!s.tag.empty()) one.reasons.push_back({Rule::hand, "tag " + s.tag});
    if (!s.scheduled && one.reasons.empty()) one.reasons.push_back({Rule::hand, "taken by hand"});
    if (!s.damage.empty()) {
      one.reasons.push_back({Rule::damaged, "damaged, counts for nothing: " + s.damage});
      return;
    }
    complete_.push_back(&one);
    if (one.reasons.empty()) counted_.push_back(&one);
  }

  void keep(Verdict& one, Rule rule, const char* name, unsigned number, unsigned limit) {
    one.reasons.push_back(
        {rule, std::string(name) + " " + std::to_string(number) + " of " + std::to_string(limit)});
  }

  void keep_last() {
    const auto count = std::min<std::size_t>(policy_.keep_last, counted_.size());
    for (std::size_t i = 0; i < count; ++i)
      keep(*counted_[i], Rule::last, "last", static_cast<unsigned>(i + 1), policy_.keep_last);
  }

  void keep_periods(Rule rule, const char* name, unsigned limit, const PeriodOf& period_of) {
    if (limit == 0) return;
    std::set<Period> seen;
    for (Verdict* one : counted_) {
      if (seen.size() >= limit) break;
      if (seen.insert(period_of(calendar_(one->snapshot.time))).second)
        keep(*one, rule, name, static_cast<unsigned>(seen.size()), limit);
    }
    coarsest_full_ = seen.size() >= limit;
  }

  // While the coarsest rule in force has periods to spare, the beginning of the history stays too: it would
  // be gone otherwise before the first period has ended.
  void keep_oldest() {
    if (!coarsest_full_ && !counted_.empty())
      counted_.back()->reasons.push_back({Rule::oldest, "the oldest, while a rule has room"});
  }

  void keep_within() {
    if (policy_.within.count() == 0) return;
    base::Time newest{};
    for (const Verdict* one : complete_) newest = std::max(newest, one->snapshot.time);
    for (Verdict* one : counted_) {
      if (one->snapshot.time > newest - policy_.within)
        one->reasons.push_back({Rule::within, "within the time"});
    }
  }

  // Counted over all complete snapshots, a person's too.
  void keep_minimum() {
    const std::size_t wanted = std::max(1U, policy_.minimum);
    auto kept = static_cast<std::size_t>(std::ranges::count_if(complete_, &Verdict::keep));
    for (Verdict* one : counted_) {
      if (kept >= wanted) return;
      if (one->keep()) continue;
      one->reasons.push_back({Rule::minimum, "at least " + std::to_string(wanted)});
      ++kept;
    }
  }

  const Policy& policy_;
  const Calendar& calendar_;
  std::vector<Verdict> verdicts_;   // oldest first
  std::vector<Verdict*> complete_;  // newest first
  std::vector<Verdict*> counted_;   // of those, what the rules are for
  bool coarsest_full_ = true;
};

void refuse_future(const std::vector<Candidate>& snapshots, base::Time now) {
  const auto ahead = std::find_if(snapshots.rbegin(), snapshots.rend(), [&](const Candidate& snapshot) {
    return snapshot.time > now + future_tolerance;
  });
  if (ahead == snapshots.rend()) return;
  throw Error(ExitCode::refused, "snapshot " + ahead->id + " is of " + base::local_time(ahead->time) +
                                     ", which lies in the future of this machine's clock (" +
                                     base::local_time(now) + "): no rule can be trusted with that")
      .with_hint("set the clock right; if the snapshot is wrong: teslamate-snapshots forget " + ahead->id);
}

}  // namespace

bool Policy::has_rules() const {
  return keep_last + hourly + daily + weekly + monthly + yearly > 0 || within.count() > 0;
}

LocalTime local_calendar(base::Time time) {
  const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm parts{};
  localtime_r(&seconds, &parts);
  return {parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_gmtoff};
}

std::vector<Verdict> make_plan(const std::vector<Candidate>& snapshots, const Policy& policy, base::Time now,
                               const Calendar& calendar) {
  refuse_future(snapshots, now);
  const bool any = std::ranges::any_of(snapshots, [](const Candidate& s) { return s.damage.empty(); });
  if (!snapshots.empty() && !any) {
    throw Error(ExitCode::refused, "none of the snapshots is complete: the damaged ones are all there is")
        .with_hint("make a new backup first: teslamate-backup --full");
  }
  return Planner(snapshots, policy, calendar).run();
}

}  // namespace tmb::retention
