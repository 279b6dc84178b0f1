// SPDX-License-Identifier: MIT
#include "status/render.hh"

#include <array>
#include <functional>

#include "base/error.hh"
#include "report/reporter.hh"
#include "report/table.hh"
#include "status/words.hh"

namespace tmb::status {

using report::Json;

namespace {

constexpr std::size_t plot_width = 40;

const char* sign_of(Level level) {
  static constexpr std::array<const char*, 3> signs{"ok", "!", "!!"};
  return signs.at(static_cast<std::size_t>(level));
}

std::string headline(const Status& status) {
  static constexpr std::array<const char*, 3> words{"all is well", "something is due", "a person is needed"};
  const std::string untried = status.level() == Level::good ? status.untried() : "";
  return std::string(words.at(static_cast<std::size_t>(status.level()))) +
         (untried.empty() ? "" : " so far, but " + untried) + " · " + base::local_time(status.now);
}

void add_facts(const Status& status, std::vector<std::string>& lines) {
  lines.push_back("repository  " + base::printable(status.repository) +
                  (status.encrypted ? *status.encrypted ? " · encrypted" : " · not encrypted" : "") + " · " +
                  report::counted(status.snapshots, "snapshot", "snapshots") +
                  (status.free_bytes ? " · " + report::byte_size(*status.free_bytes) + " free" : ""));
  if (!status.newest) return;
  std::string line = "newest      " + status.newest->id;
  if (const auto& manifest = status.newest->manifest) {
    line += " · " + base::printable(manifest->database.name) + ", " +
            report::counted(manifest->rows(), "row", "rows");
  }
  lines.push_back(line);
}

void add_plots(const Status& status, std::vector<std::string>& lines) {
  struct Plot {
    const char* title;
    const char* kind;
    const char* fact;
    std::function<std::string(double)> say;
  };
  const auto bytes = [](double value) { return report::byte_size(static_cast<std::uint64_t>(value)); };
  const std::array<Plot, 5> plots{{{"size", "backup", "stored_bytes", bytes},
                                   {"new", "backup", "new_bytes", bytes},
                                   {"backup", "backup", "seconds", report::duration},
                                   {"verify", "verify", "seconds", report::duration},
                                   {"recovery", "drill", "recovery_seconds", report::duration}}};
  report::Table table({{""}, {""}, {"", report::Align::right}});
  for (const Plot& plot : plots) {
    const Series series = series_of(status, plot.kind, plot.fact);
    if (series.values.empty()) continue;
    table.add_row({plot.title, sparkline(series.values, plot_width), plot.say(series.values.back())});
  }
  if (table.empty()) return;
  lines.emplace_back();
  for (std::string& line : table.lines()) lines.push_back(std::move(line));
}

Json to_json(const RunRecord& run) {
  return {{"kind", run.kind},       {"started", base::iso_utc(run.started)},
          {"seconds", run.seconds}, {"exit_code", run.exit_code},
          {"error", run.error},     {"snapshot", run.snapshot},
          {"facts", run.facts},     {"warnings", run.warnings}};
}

}  // namespace

const char* name_of(Level level) {
  static constexpr std::array<const char*, 3> names{"good", "warning", "critical"};
  return names.at(static_cast<std::size_t>(level));
}

Series series_of(const Status& status, const std::string& kind, const char* fact) {
  Series out;
  for (const RunRecord& run : status.runs) {
    if (run.kind != kind || !run.good()) continue;
    const bool own = std::string_view(fact) == "seconds";
    if (!own && !run.facts.contains(fact)) continue;
    out.times.push_back(run.started);
    out.values.push_back(own ? run.seconds : run.number(fact));
  }
  return out;
}

std::vector<std::string> describe(const Status& status) {
  std::vector<std::string> lines{headline(status)};
  add_facts(status, lines);
  lines.emplace_back();
  report::Table table({{""}, {""}, {""}});
  for (const Check& check : status.checks) table.add_row({sign_of(check.level), check.name, check.text});
  std::size_t at = 0;
  for (std::string& line : table.lines()) {
    lines.push_back(std::move(line));
    const std::string& mend = status.checks.at(at++).mend;
    if (!mend.empty()) lines.push_back("    -> " + mend);
  }
  add_plots(status, lines);
  return lines;
}

Json to_json(const Status& status) {
  const auto time_or_null = [](const std::optional<base::Time>& time) {
    return time ? Json(base::iso_utc(*time)) : Json();
  };
  Json checks = Json::array();
  for (const Check& check : status.checks) {
    checks.push_back(
        {{"name", check.name}, {"level", name_of(check.level)}, {"text", check.text}, {"mend", check.mend}});
  }
  Json newest;
  if (status.newest) {
    newest = {{"id", status.newest->id}, {"time", base::iso_utc(status.newest->time)}};
    if (const auto& m = status.newest->manifest) {
      newest["database"] = base::printable(m->database.name);
      newest["rows"] = m->rows();
      newest["migration_version"] = m->migration_version;
    }
  }
  Json last = Json::object();
  for (const char* kind : {"backup", "verify", "drill", "prune", "restore"}) {
    const RunRecord* run = last_run(status.runs, kind);
    last[kind] = run != nullptr ? to_json(*run) : Json();
  }
  return {{"time", base::iso_utc(status.now)},
          {"level", name_of(status.level())},
          {"repository", base::printable(status.repository)},
          {"encrypted", status.encrypted ? Json(*status.encrypted) : Json()},
          {"snapshots", status.snapshots},
          {"oldest", time_or_null(status.oldest)},
          {"newest", newest},
          {"free_bytes", status.free_bytes ? Json(*status.free_bytes) : Json()},
          {"goals", {{"rpo_seconds", status.rpo.count()}, {"rto_seconds", status.rto.count()}}},
          {"all_read_since", time_or_null(status.all_read)},
          {"recovery_seconds", status.recovery_seconds ? Json(*status.recovery_seconds) : Json()},
          {"checks", std::move(checks)},
          {"last_runs", std::move(last)}};
}

}  // namespace tmb::status
