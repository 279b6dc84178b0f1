// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <functional>

#include "base/error.hh"
#include "report/reporter.hh"
#include "status/render.hh"
#include "status/words.hh"

namespace tmb::status {

namespace {

constexpr const char* style =
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1c2733;"
    "background:#fafbfc}h1{font-size:1.5rem;margin:0}h2{font-size:1.05rem;margin:2rem 0 .5rem}"
    ".sub{color:#5b6876;margin:.2rem 0 1.2rem}table{border-collapse:collapse;width:100%}"
    "td,th{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #e3e8ee;vertical-align:top}"
    "th{color:#5b6876;font-weight:600}.good{color:#1a7f4b}.warning{color:#a15c00}.critical{color:#b3261e}"
    ".badge{font-weight:700}.badge,.short{white-space:nowrap}.long{overflow-wrap:anywhere}code{background:#"
    "eef2f6;padding:.1rem "
    ".35rem;border-radius:3px}"
    ".charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(26rem,100%),1fr));gap:1rem}"
    "figure{margin:0;background:#fff;border:1px solid #e3e8ee;border-radius:6px;padding:.8rem}"
    "figcaption{font-weight:600}figcaption span{float:right;font-weight:400;color:#5b6876}"
    "svg{width:100%;height:auto;display:block}svg text{font-size:10px;fill:#5b6876}"
    "@media(prefers-color-scheme:dark){body{background:#12171d;color:#dde4ec}figure{background:#1a2129;"
    "border-color:#2c3641}td,th{border-color:#2c3641}code{background:#26303a}.good{color:#4cc38a}"
    ".warning{color:#f0a94a}.critical{color:#ff7b72}.sub,th,figcaption span{color:#9aa7b4}"
    "svg text{fill:#9aa7b4}}"
    "@media(max-width:40rem){tr{display:block;padding:.4rem 0;border-bottom:1px solid #8886}tr:first-child{"
    "display:none}td{display:inline-block;border:0;padding:.1rem .8rem .1rem "
    "0}td.long{display:block}td:empty{display:none}}";

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : base::printable(text)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string number(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f", value);
  return text.data();
}

struct Chart {
  const char* title;
  const char* kind;
  const char* fact;
  std::function<std::string(double)> say;
  double goal = 0;  // a line across; 0: none
};

// A bar for each run, the newest 120; the axis begins at zero.
std::string draw(const Chart& chart, const Series& series) {
  constexpr double width = 460;
  constexpr double height = 120;
  constexpr double base_line = 104;
  constexpr double top = 14;
  const std::size_t count = std::min<std::size_t>(series.values.size(), 120);
  const std::size_t first = series.values.size() - count;
  double most =
      *std::max_element(series.values.begin() + static_cast<std::ptrdiff_t>(first), series.values.end());
  const bool goal_fits = chart.goal > 0 && chart.goal < 4 * most;
  if (goal_fits) most = std::max(most, chart.goal);
  if (most <= 0) most = 1;
  const double step = width / static_cast<double>(std::max<std::size_t>(count, 12));
  std::string out = "<svg viewBox=\"0 0 460 120\" role=\"img\" aria-label=\"" + escaped(chart.title) + "\">";
  for (std::size_t i = 0; i < count; ++i) {
    const double value = series.values[first + i];
    const double tall = std::max(1.0, value / most * (base_line - top));
    out += "<rect x=\"" + number(step * static_cast<double>(i)) + "\" y=\"" + number(base_line - tall) +
           "\" width=\"" + number(std::max(1.0, step * 0.8)) + "\" height=\"" + number(tall) +
           "\" fill=\"#3b7dd8\"><title>" + escaped(base::local_time(series.times[first + i])) + ": " +
           escaped(chart.say(value)) + "</title></rect>";
  }
  if (goal_fits) {
    const std::string y = number(base_line - chart.goal / most * (base_line - top));
    out += "<line x1=\"0\" x2=\"460\" y1=\"" + y + "\" y2=\"" + y +
           "\" stroke=\"#b3261e\" stroke-dasharray=\"4 3\"/>";
  }
  out += "<line x1=\"0\" x2=\"460\" y1=\"104\" y2=\"104\" stroke=\"#9aa7b4\"/><text x=\"0\" y=\"10\">" +
         escaped(chart.say(most)) + "</text><text x=\"0\" y=\"" + number(height - 3) + "\">" +
         escaped(base::local_time(series.times[first]).substr(0, 10)) + "</text>";
  if (count > 3) {
    out += "<text x=\"" + number(step * static_cast<double>(count)) + "\" y=\"" + number(height - 3) +
           "\" text-anchor=\"end\">" + escaped(base::local_time(series.times.back()).substr(0, 10)) +
           "</text>";
  }
  return out + "</svg>";
}

std::string charts(const Status& status) {
  const auto bytes = [](double value) { return report::byte_size(static_cast<std::uint64_t>(value)); };
  const std::array<Chart, 5> all{{{"Size of a snapshot", "backup", "stored_bytes", bytes},
                                  {"New bytes of each backup", "backup", "new_bytes", bytes},
                                  {"Time of each backup", "backup", "seconds", report::duration},
                                  {"Recovery time, measured", "drill", "recovery_seconds", report::duration,
                                   static_cast<double>(status.rto.count())},
                                  {"Time of each verification", "verify", "seconds", report::duration}}};
  std::string out;
  for (const Chart& chart : all) {
    const Series series = series_of(status, chart.kind, chart.fact);
    if (series.values.empty()) continue;
    out += "<figure><figcaption>" + escaped(chart.title) + "<span>" +
           escaped(chart.say(series.values.back())) + "</span></figcaption>" + draw(chart, series) +
           "</figure>\n";
  }
  return out.empty() ? "<p>No run has been recorded yet.</p>" : "<div class=\"charts\">\n" + out + "</div>\n";
}

std::string checks(const Status& status) {
  std::string out = "<table><tr><th>check</th><th></th><th>what</th><th>mend it with</th></tr>\n";
  for (const Check& check : status.checks) {
    out += "<tr><td>" + escaped(check.name) + "</td><td class=\"badge " + name_of(check.level) + "\">" +
           name_of(check.level) + "</td><td class=\"long\">" + escaped(check.text) + "</td><td>" +
           (check.mend.empty() ? "" : "<code>" + escaped(check.mend) + "</code>") + "</td></tr>\n";
  }
  return out + "</table>\n";
}

std::string runs(const Status& status) {
  std::string out = "<table><tr><th>began</th><th>what</th><th>took</th><th>exit code</th><th></th></tr>\n";
  std::size_t shown = 0;
  for (auto it = status.runs.rbegin(); it != status.runs.rend() && shown < 30; ++it, ++shown) {
    out += "<tr><td class=\"short\">" + escaped(base::local_time(it->started)) + "</td><td>" +
           escaped(it->kind) + "</td><td class=\"short\">" + escaped(report::duration(it->seconds)) +
           "</td><td class=\"badge " + (it->good() ? it->exit_code == 0 ? "good" : "warning" : "critical") +
           "\">" + std::to_string(it->exit_code) + "</td><td class=\"long\">" +
           escaped(it->error.empty() ? it->snapshot : it->error) + "</td></tr>\n";
  }
  return out + "</table>\n";
}

}  // namespace

std::string to_html(const Status& status) {
  static constexpr std::array<const char*, 3> words{"All is well", "Something is due", "A person is needed"};
  const std::string level = name_of(status.level());
  const std::string untried = status.level() == Level::good ? status.untried() : "";
  std::string newest = "no snapshot";
  if (status.newest)
    newest = "newest snapshot " +
             age_text(std::chrono::duration_cast<std::chrono::seconds>(status.now - status.newest->time)) +
             " old";
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
         "content=\"width=device-width,initial-scale=1\"><title>teslamate-backup: " +
         level + "</title><style>" + style + "</style></head><body>\n<h1 class=\"" + level + "\">" +
         words.at(static_cast<std::size_t>(status.level())) +
         escaped(untried.empty() ? "" : " so far, but " + untried) + "</h1>\n<p class=\"sub\">" +
         escaped(status.repository) + " · " + report::counted(status.snapshots, "snapshot", "snapshots") +
         " · " + newest + (status.free_bytes ? " · " + report::byte_size(*status.free_bytes) + " free" : "") +
         " · written " + escaped(base::local_time(status.now)) + "</p>\n" + checks(status) +
         "<h2>History</h2>\n" + charts(status) + "<h2>The last runs</h2>\n" + runs(status) +
         "</body></html>\n";
}

}  // namespace tmb::status
