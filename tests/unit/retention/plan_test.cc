// SPDX-License-Identifier: MIT
#include "retention/plan.hh"

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <random>

#include "base/error.hh"
#include "catch.hh"
#include "retention/describe.hh"

using namespace tmb;
using namespace std::chrono;
using retention::Candidate;
using retention::make_plan;
using retention::Policy;
using retention::Rule;
using retention::Verdict;

namespace {

// The process's time zone for as long as it lives.
class Zone {
 public:
  explicit Zone(const char* name) {
    const char* was = std::getenv("TZ");
    if (was != nullptr) before_ = was;
    had_ = was != nullptr;
    setenv("TZ", name, 1);
    tzset();
  }
  Zone(const Zone&) = delete;
  Zone& operator=(const Zone&) = delete;
  ~Zone() {
    if (had_) {
      setenv("TZ", before_.c_str(), 1);
    } else {
      unsetenv("TZ");
    }
    tzset();
  }

 private:
  std::string before_;
  bool had_ = false;
};

base::Time at(const char* utc) { return base::parse_iso_utc(utc); }

Candidate taken(base::Time time) {
  static int count = 0;
  Candidate out;
  out.id = base::compact_utc(time) + "-" + std::to_string(1000 + ++count % 9000);
  out.time = time;
  out.scheduled = true;
  return out;
}

Policy none() { return {0, 0, 0, 0, 0, 0, seconds(0), 1}; }

std::vector<Candidate> daily(base::Time first, int days) {
  std::vector<Candidate> out;
  for (int i = 0; i < days; ++i) out.push_back(taken(first + hours(24) * i));
  return out;
}

std::vector<std::string> kept(const std::vector<Verdict>& plan) {
  std::vector<std::string> out;
  for (const Verdict& v : plan) {
    if (v.keep()) out.push_back(base::iso_utc(v.snapshot.time).substr(0, 16));
  }
  return out;
}

bool has(const Verdict& verdict, Rule rule) {
  for (const retention::Reason& reason : verdict.reasons) {
    if (reason.rule == rule) return true;
  }
  return false;
}

std::size_t count(const std::vector<Verdict>& plan, Rule rule) {
  std::size_t out = 0;
  for (const Verdict& v : plan) out += has(v, rule) ? 1U : 0U;
  return out;
}

}  // namespace

TEST_CASE("ten years of daily snapshots leave exactly what the rules name", "[retention]") {
  const Zone zone("UTC");
  const auto history = daily(at("2016-11-20T02:15:00Z"), 3653);
  Policy policy = none();
  policy.keep_last = 7;
  policy.daily = 30;
  policy.weekly = 12;
  policy.monthly = 36;
  policy.yearly = 10;
  const auto plan = make_plan(history, policy, history.back().time + hours(1));
  CHECK(count(plan, Rule::last) == 7);
  CHECK(count(plan, Rule::daily) == 30);
  CHECK(count(plan, Rule::weekly) == 12);
  CHECK(count(plan, Rule::monthly) == 36);
  CHECK(count(plan, Rule::yearly) == 10);
  CHECK(count(plan, Rule::oldest) == 0);  // the yearly rule is full
  CHECK(has(plan.back(), Rule::newest));
  CHECK(kept(plan).front() == "2017-12-31T02:15");
  for (const Verdict& v : plan) {
    if (has(v, Rule::yearly) && !has(v, Rule::newest))
      CHECK(base::iso_utc(v.snapshot.time).substr(4, 6) == "-12-31");
    if (has(v, Rule::weekly) && !has(v, Rule::newest))
      CHECK((sys_days(floor<days>(v.snapshot.time)) - sys_days(year(1970) / 1 / 4)).count() % 7 ==
            0);  // Sundays
  }
}

TEST_CASE("what is kept today was kept yesterday: no rule asks for a snapshot that is gone", "[retention]") {
  const Zone zone("Europe/Berlin");
  std::mt19937 random(7);
  Policy policy = none();
  policy.keep_last = 3;
  policy.hourly = 6;
  policy.daily = 7;
  policy.weekly = 4;
  policy.monthly = 6;
  policy.yearly = 3;
  std::vector<Candidate> live;
  base::Time now = at("2020-01-01T00:00:00Z");
  for (int step = 0; step < 4000; ++step) {
    now += minutes(30 + static_cast<int>(random() % 1440));
    live.push_back(taken(now));
    const auto plan = make_plan(live, policy, now);
    live.clear();
    for (const Verdict& v : plan) {
      if (v.keep()) live.push_back(v.snapshot);
    }
    REQUIRE(live.back().time == now);
    REQUIRE(live.size() <= 3 + 6 + 7 + 4 + 6 + 3 + 1);
  }
  // Pruned after each, as many periods are there as when all had been kept to the end.
  const auto plan = make_plan(live, policy, now);
  CHECK(count(plan, Rule::daily) == 7);
  CHECK(count(plan, Rule::weekly) == 4);
  CHECK(count(plan, Rule::monthly) == 6);
  CHECK(count(plan, Rule::yearly) == 3);
}

TEST_CASE("days are local days, also those of 23 and 25 hours", "[retention]") {
  const Zone zone("Europe/Berlin");
  Policy policy = none();
  policy.daily = 100;
  policy.yearly = 0;
  // Clocks go forward at 01:00 UTC of 29 March 2026 and back at 01:00 UTC of 25 October.
  const auto spring = make_plan({taken(at("2026-03-28T22:59:59Z")), taken(at("2026-03-28T23:00:00Z")),
                                 taken(at("2026-03-29T21:59:59Z")), taken(at("2026-03-29T22:00:00Z"))},
                                policy, at("2026-04-01T00:00:00Z"));
  CHECK(kept(spring) == std::vector<std::string>{"2026-03-28T22:59", "2026-03-29T21:59", "2026-03-29T22:00"});
  const auto autumn = make_plan({taken(at("2026-10-24T21:59:59Z")), taken(at("2026-10-24T22:00:00Z")),
                                 taken(at("2026-10-25T22:59:59Z")), taken(at("2026-10-25T23:00:00Z"))},
                                policy, at("2026-11-01T00:00:00Z"));
  CHECK(kept(autumn) == std::vector<std::string>{"2026-10-24T21:59", "2026-10-25T22:59", "2026-10-25T23:00"});
}

TEST_CASE("the two hours that a clock set back shows twice are two hours", "[retention]") {
  const Zone zone("Europe/Berlin");
  Policy policy = none();
  policy.hourly = 100;
  // 02:30 CEST, then 02:30 CET.
  const auto plan = make_plan({taken(at("2026-10-25T00:10:00Z")), taken(at("2026-10-25T00:30:00Z")),
                               taken(at("2026-10-25T01:30:00Z"))},
                              policy, at("2026-11-01T00:00:00Z"));
  CHECK(count(plan, Rule::hourly) == 2);
  CHECK(has(plan[1], Rule::hourly));
  CHECK(has(plan[2], Rule::hourly));
}

TEST_CASE("weeks begin on Monday and do not end with the year", "[retention]") {
  const Zone zone("UTC");
  Policy policy = none();
  policy.weekly = 100;
  // 28 Dec 2026 is a Monday, 3 Jan 2027 the Sunday of that week.
  const auto plan = make_plan({taken(at("2026-12-27T23:59:59Z")), taken(at("2026-12-28T00:00:00Z")),
                               taken(at("2027-01-03T23:59:59Z")), taken(at("2027-01-04T00:00:00Z"))},
                              policy, at("2027-02-01T00:00:00Z"));
  CHECK(count(plan, Rule::weekly) == 3);
  CHECK(!plan[1].keep());
}

TEST_CASE("weeks and days are right before 1970 and behind 2106", "[retention]") {
  const Zone zone("UTC");
  Policy policy = none();
  policy.weekly = 100;
  for (const char* monday : {"1969-12-22T00:00:00Z", "2038-01-18T00:00:00Z", "2106-02-08T00:00:00Z"}) {
    const base::Time begin = at(monday);
    const auto plan =
        make_plan({taken(begin - seconds(1)), taken(begin), taken(begin + hours(24 * 7) - seconds(1))},
                  policy, begin + hours(1000));
    CHECK(count(plan, Rule::weekly) == 2);
  }
}

TEST_CASE("what a person took, named or pinned stays and takes no place of a rule", "[retention]") {
  const Zone zone("UTC");
  auto history = daily(at("2026-01-01T02:00:00Z"), 20);
  history[3].scheduled = false;
  history[5].pinned = true;
  history[7].tag = "before-restore";
  history[19].scheduled = false;
  Policy policy = none();
  policy.daily = 5;
  const auto plan = make_plan(history, policy, at("2026-02-01T00:00:00Z"));
  CHECK(plan[3].keep());
  CHECK(plan[5].keep());
  CHECK(plan[7].keep());
  CHECK(plan[19].keep());
  CHECK(count(plan, Rule::daily) == 5);
  CHECK(!has(plan[19], Rule::daily));
  CHECK(has(plan[18], Rule::daily));
  CHECK(has(plan[14], Rule::daily));
  CHECK(!plan[13].keep());
}

TEST_CASE("a damaged snapshot counts for nothing and is left for a person", "[retention]") {
  const Zone zone("UTC");
  auto history = daily(at("2026-01-01T02:00:00Z"), 10);
  history[9].damage = "gone";
  Policy policy = none();
  policy.keep_last = 1;
  const auto plan = make_plan(history, policy, at("2026-02-01T00:00:00Z"));
  CHECK(has(plan[9], Rule::damaged));
  CHECK(has(plan[8], Rule::newest));
  CHECK(has(plan[8], Rule::last));
  CHECK(!plan[7].keep());
}

TEST_CASE("all of them damaged: refused", "[retention]") {
  auto history = daily(at("2026-01-01T02:00:00Z"), 3);
  for (Candidate& one : history) one.damage = "gone";
  try {
    make_plan(history, Policy{}, at("2026-02-01T00:00:00Z"));
    FAIL("was not refused");
  } catch (const base::Error& error) {
    CHECK(error.code() == base::ExitCode::refused);
  }
}

TEST_CASE("one from the future, newest or not: refused and named", "[retention]") {
  auto history = daily(at("2026-01-01T02:00:00Z"), 3);
  history.insert(history.begin() + 1, taken(at("2038-01-01T00:00:00Z")));
  try {
    make_plan(history, Policy{}, at("2026-02-01T00:00:00Z"));
    FAIL("was not refused");
  } catch (const base::Error& error) {
    CHECK(error.code() == base::ExitCode::refused);
    CHECK(error.hint().find(history[1].id) != std::string::npos);
  }
  // What two clocks differ by is no future.
  CHECK_NOTHROW(make_plan(daily(at("2026-01-01T02:00:00Z"), 1), Policy{}, at("2026-01-01T01:51:00Z")));
  CHECK_THROWS(make_plan(daily(at("2026-01-01T02:00:00Z"), 1), Policy{}, at("2026-01-01T01:49:00Z")));
}

TEST_CASE("a clock that jumps ahead makes nothing old", "[retention]") {
  const Zone zone("UTC");
  const auto history = daily(at("2026-01-01T02:00:00Z"), 30);
  Policy policy;
  policy.within = hours(24 * 5);
  const auto now = make_plan(history, policy, history.back().time);
  const auto later = make_plan(history, policy, at("2051-01-01T00:00:00Z"));
  CHECK(kept(now) == kept(later));
  CHECK(count(now, Rule::within) == 5);
}

TEST_CASE("snapshots of a clock that went back keep the order in which they were taken", "[retention]") {
  const Zone zone("UTC");
  Policy policy = none();
  policy.keep_last = 1;
  policy.daily = 2;
  const auto plan = make_plan({taken(at("2026-01-05T02:00:00Z")), taken(at("2026-01-02T02:00:00Z")),
                               taken(at("2026-01-02T03:00:00Z"))},
                              policy, at("2026-02-01T00:00:00Z"));
  CHECK(has(plan[2], Rule::newest));
  CHECK(has(plan[2], Rule::daily));
  CHECK(has(plan[0], Rule::daily));
  CHECK(!plan[1].keep());
}

TEST_CASE("never fewer than the minimum, and the newest in any case", "[retention]") {
  const auto history = daily(at("2026-01-01T02:00:00Z"), 10);
  for (unsigned minimum = 0; minimum <= 12; ++minimum) {
    Policy policy = none();
    policy.keep_last = 1;
    policy.minimum = minimum;
    const auto plan = make_plan(history, policy, at("2026-02-01T00:00:00Z"));
    CHECK(kept(plan).size() == std::clamp<std::size_t>(minimum, 1, 10));
    CHECK(plan.back().keep());
  }
}

TEST_CASE("without any rule nothing goes", "[retention]") {
  const auto plan = make_plan(daily(at("2026-01-01T02:00:00Z"), 10), none(), at("2026-02-01T00:00:00Z"));
  CHECK(kept(plan).size() == 10);
}

TEST_CASE("the beginning of the history stays while the coarsest rule has room", "[retention]") {
  const Zone zone("UTC");
  Policy policy = none();
  policy.keep_last = 2;
  policy.yearly = 3;
  const auto plan = make_plan(daily(at("2026-03-01T02:00:00Z"), 20), policy, at("2026-04-01T00:00:00Z"));
  CHECK(has(plan.front(), Rule::oldest));
  CHECK(kept(plan).size() == 3);
}

TEST_CASE("nothing is planned for an empty repository", "[retention]") {
  CHECK(make_plan({}, Policy{}, at("2026-02-01T00:00:00Z")).empty());
}

TEST_CASE("the calendar marks each day with its strongest reason", "[retention]") {
  const Zone zone("UTC");
  auto history = daily(at("2026-01-28T02:00:00Z"), 6);
  history[1].pinned = true;
  Policy policy = none();
  policy.daily = 2;
  policy.monthly = 2;
  policy.minimum = 1;
  const auto lines = retention::draw_calendar(make_plan(history, policy, at("2026-02-05T00:00:00Z")));
  REQUIRE(lines.size() == 5);
  CHECK(lines[1] == "2026 Jan" + std::string(34, ' ') + ". P.M");
  CHECK(lines[2] == "2026 Feb    DM");
}
