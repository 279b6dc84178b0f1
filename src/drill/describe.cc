// SPDX-License-Identifier: MIT
#include "drill/drill.hh"
#include "report/table.hh"

namespace tmb::drill {

using report::Json;

namespace {

std::string against_goal(double value, double goal) {
  if (goal <= 0) return "";
  return std::string(!misses(value, goal) ? " (within the goal of " : " (MORE than the goal of ") +
         report::duration(goal) + ")";
}

}  // namespace

std::vector<std::string> describe(const Outcome& outcome, const Goals& goals) {
  std::vector<std::string> lines;
  report::Table table({{""}, {"", report::Align::right}});
  for (const auto& [verb, seconds] : outcome.phases) table.add_row({verb, report::duration(seconds)});
  for (std::string& line : table.lines()) lines.push_back("  " + std::move(line));
  lines.push_back(outcome.title + " comes back: " + report::counted(outcome.rows, "row", "rows") + " in " +
                  report::counted(outcome.tables, "table", "tables") + ", " +
                  report::counted(outcome.cars, "car", "cars") + " as in the " +
                  (outcome.file.empty() ? "snapshot" : "file") + ", " +
                  report::counted(outcome.answers.size(), "dashboard question", "dashboard questions") +
                  " answered" + (outcome.vault.empty() ? "" : "; " + outcome.vault));
  lines.push_back("recovery time  " + report::duration(outcome.recovery_seconds) +
                  against_goal(outcome.recovery_seconds, goals.rto_seconds));
  lines.push_back("recovery point " + report::duration(outcome.recovery_point_seconds) + " ago" +
                  against_goal(outcome.recovery_point_seconds, goals.rpo_seconds));
  lines.emplace_back(outcome.cluster ? "the throw-away server is removed"
                                     : "the throw-away database is removed");
  return lines;
}

Json to_json(const Outcome& outcome, const Goals& goals) {
  Json phases = Json::object();
  for (const auto& [verb, seconds] : outcome.phases) phases[verb] = seconds;
  Json answers = Json::array();
  for (const teslamate::DashboardAnswer& one : outcome.answers)
    answers.push_back({{"name", one.name}, {"rows", one.rows}, {"seconds", one.seconds}});
  return {{"snapshot", outcome.snapshot},
          {"file", outcome.file},
          {"snapshot_time", base::iso_utc(outcome.snapshot_time)},
          {"cluster", outcome.cluster},
          {"rows", outcome.rows},
          {"tables", outcome.tables},
          {"cars", outcome.cars},
          {"database_bytes", outcome.database_bytes},
          {"phases", std::move(phases)},
          {"recovery_seconds", outcome.recovery_seconds},
          {"looking_seconds", outcome.looking_seconds},
          {"removing_seconds", outcome.removing_seconds},
          {"recovery_point_seconds", outcome.recovery_point_seconds},
          {"goals", {{"rpo_seconds", goals.rpo_seconds}, {"rto_seconds", goals.rto_seconds}}},
          {"vault", outcome.vault.empty() ? Json() : Json(outcome.vault)},
          {"dashboards", std::move(answers)}};
}

}  // namespace tmb::drill
