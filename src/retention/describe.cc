// SPDX-License-Identifier: MIT
#include "retention/describe.hh"

#include <algorithm>
#include <array>
#include <ctime>
#include <map>

#include "report/table.hh"

namespace tmb::retention {

using report::byte_size;
using report::counted;
using report::grouped;
using report::Json;

namespace {

struct RuleInfo {
  Rule rule;
  char sign;
  const char* name;
};

// The strongest first: what a day is marked with.
constexpr std::array<RuleInfo, 12> rules{{{Rule::damaged, '!', "damaged"},
                                          {Rule::hand, 'P', "hand"},
                                          {Rule::yearly, 'Y', "yearly"},
                                          {Rule::oldest, 'O', "oldest"},
                                          {Rule::monthly, 'M', "monthly"},
                                          {Rule::weekly, 'W', "weekly"},
                                          {Rule::daily, 'D', "daily"},
                                          {Rule::within, 'T', "within"},
                                          {Rule::hourly, 'H', "hourly"},
                                          {Rule::last, 'L', "last"},
                                          {Rule::minimum, 'N', "minimum"},
                                          {Rule::newest, 'L', "newest"}}};
constexpr char removed_sign = '.';
constexpr std::array<const char*, 2> legend{
    "Y yearly  M monthly  W weekly  D daily  H hourly  L last  T within",
    "P yours  O oldest  N minimum  ! damaged  . goes"};

std::size_t rank(Rule rule) {
  return static_cast<std::size_t>(std::ranges::find(rules, rule, &RuleInfo::rule) - rules.begin());
}

// Of a day with several snapshots: index into `rules`, one behind them for "goes".
std::size_t rank(const Verdict& verdict) {
  std::size_t best = rules.size();
  for (const Reason& reason : verdict.reasons) best = std::min(best, rank(reason.rule));
  return best;
}

std::string why(const Verdict& verdict) {
  std::string out;
  for (const Reason& reason : verdict.reasons) {
    if (reason.rule == Rule::newest && verdict.reasons.size() > 1) continue;
    out += (out.empty() ? "" : ", ") + reason.text;
  }
  return out.empty() ? "no rule keeps it" : out;
}

// "CET (UTC+01:00)"
std::string zone(base::Time now) {
  const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  std::tm parts{};
  localtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%z", &parts);
  std::string offset(text.data(), length);
  if (offset.size() == 5) offset.insert(3, ":");
  return std::string(parts.tm_zone) + " (UTC" + offset + ")";
}

void add_table(const PruneOutcome& outcome, bool all, std::vector<std::string>& lines) {
  report::Table table({{"snapshot"}, {"taken"}, {""}, {"why"}});
  for (const Verdict& verdict : outcome.plan) {
    if (!verdict.keep() && !all) continue;
    table.add_row({verdict.snapshot.id, base::local_time(verdict.snapshot.time),
                   verdict.keep() ? "stays" : "goes", why(verdict)});
  }
  for (std::string& line : table.lines()) lines.push_back(std::move(line));
}

}  // namespace

std::string describe(const Policy& policy, base::Time now) {
  std::string out;
  const auto add = [&](const char* name, unsigned count) {
    if (count > 0) out += (out.empty() ? "" : ", ") + std::string(name) + " " + std::to_string(count);
  };
  add("last", policy.keep_last);
  add("hourly", policy.hourly);
  add("daily", policy.daily);
  add("weekly", policy.weekly);
  add("monthly", policy.monthly);
  add("yearly", policy.yearly);
  if (policy.within.count() > 0)
    out += (out.empty() ? "" : ", ") + std::string("all of the last ") +
           report::duration(static_cast<double>(policy.within.count()));
  if (out.empty()) out = "no rule is set: everything stays";
  return out + "; at least " + std::to_string(std::max(1U, policy.minimum)) + "; the calendar is that of " +
         zone(now);
}

std::vector<std::string> draw_calendar(const std::vector<Verdict>& plan, const Calendar& calendar) {
  static constexpr std::array<const char*, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  constexpr std::size_t nothing = rules.size() + 1;
  std::map<std::pair<int, int>, std::array<std::size_t, 31>> drawn;
  for (const Verdict& verdict : plan) {
    const LocalTime t = calendar(verdict.snapshot.time);
    auto& days = drawn
                     .try_emplace({t.year, t.month},
                                  [=] {
                                    std::array<std::size_t, 31> none{};
                                    none.fill(nothing);
                                    return none;
                                  }())
                     .first->second;
    std::size_t& day = days.at(static_cast<std::size_t>(t.day - 1));
    day = std::min(day, rank(verdict));
  }
  if (drawn.empty()) return {};
  std::vector<std::string> lines{"            1       8       15      22      29"};
  for (const auto& [month, days] : drawn) {
    std::string line =
        std::to_string(month.first) + " " + months.at(static_cast<std::size_t>(month.second - 1)) + "   ";
    for (std::size_t i = 0; i < days.size(); ++i) {
      const std::size_t day = days.at(i);
      if (i % 7 == 0) line += ' ';
      line += day < rules.size() ? rules.at(day).sign : day == nothing ? ' ' : removed_sign;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    lines.push_back(line);
  }
  lines.insert(lines.end(), legend.begin(), legend.end());
  return lines;
}

std::vector<std::string> describe(const PruneOutcome& outcome, bool all) {
  std::vector<std::string> lines;
  if (outcome.dry_run) {
    lines = draw_calendar(outcome.plan);
    lines.emplace_back();
    add_table(outcome, all, lines);
    lines.emplace_back();
  }
  const std::size_t kept = outcome.plan.size() - outcome.removed.size();
  lines.push_back(std::string(outcome.dry_run ? "would remove " : "removed ") +
                  counted(outcome.removed.size(), "snapshot", "snapshots") + ", " + grouped(kept) + " " +
                  (kept == 1 ? "stays" : "stay") + "; " + (outcome.dry_run ? "would free " : "freed ") +
                  byte_size(outcome.bytes_removed) + " (" +
                  counted(outcome.objects_removed, "object", "objects") + ")");
  if (outcome.objects_waiting > 0) {
    lines.push_back(counted(outcome.objects_waiting, "unused object", "unused objects") + " (" +
                    byte_size(outcome.bytes_waiting) + ") wait for a later prune");
  }
  return lines;
}

Json to_json(const PruneOutcome& outcome) {
  Json snapshots = Json::array();
  for (const Verdict& verdict : outcome.plan) {
    Json reasons = Json::array();
    for (const Reason& reason : verdict.reasons)
      reasons.push_back({{"rule", rules.at(rank(reason.rule)).name}, {"text", reason.text}});
    snapshots.push_back({{"id", verdict.snapshot.id},
                         {"time", base::iso_utc(verdict.snapshot.time)},
                         {"keep", verdict.keep()},
                         {"reasons", std::move(reasons)}});
  }
  return {{"dry_run", outcome.dry_run},
          {"snapshots", std::move(snapshots)},
          {"kept", outcome.plan.size() - outcome.removed.size()},
          {"removed", outcome.removed},
          {"objects_removed", outcome.objects_removed},
          {"bytes_removed", outcome.bytes_removed},
          {"objects_waiting", outcome.objects_waiting},
          {"bytes_waiting", outcome.bytes_waiting}};
}

}  // namespace tmb::retention
