// SPDX-License-Identifier: MIT
#include "report/terminal.hh"

#include <algorithm>

#include "report/table.hh"

namespace tmb::report {

namespace {

constexpr std::size_t verb_cells = 8;
constexpr std::size_t object_cells = 23;
constexpr std::size_t bar_cells = 20;
constexpr std::size_t least_bar_cells = 5;
constexpr double guess_after_seconds = 1.0;  // before that the time left is a wild guess

std::string bar(std::uint64_t done, std::uint64_t total, std::size_t cells) {
  const double share = static_cast<double>(std::min(done, total)) / static_cast<double>(total);
  const auto full = static_cast<std::size_t>(share * static_cast<double>(cells));
  std::string out;
  for (std::size_t i = 0; i < cells; ++i) out += i < full ? "█" : "░";
  return out;
}

std::string amount(double value, Unit unit) {
  const auto whole = static_cast<std::uint64_t>(std::max(value, 0.0));
  if (unit == Unit::bytes) return byte_size(whole);
  return unit == Unit::rows ? counted(whole, "row", "rows") : grouped(whole);
}

std::string rate_of(double per_second, Unit unit) {
  return (unit == Unit::bytes ? amount(per_second, unit) : grouped(static_cast<std::uint64_t>(per_second))) +
         "/s";
}

std::string head(const Phase& phase) {
  std::string out = pad(phase.verb, verb_cells) + " ";
  if (!phase.object.empty()) out += pad(phase.object, object_cells) + " ";
  return out;
}

std::string without_trailing_blanks(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

// The words say more than the bar: it takes what they leave, and goes where that is next to nothing.
std::string with_bar(const std::string& head, std::uint64_t done, std::uint64_t total,
                     const std::string& rest, std::size_t room) {
  const std::size_t taken = display_width(head) + 1 + display_width(rest);
  const std::size_t cells = std::min(bar_cells, room > taken ? room - taken : 0);
  return cells < least_bar_cells ? head + rest : head + bar(done, total, cells) + " " + rest;
}

}  // namespace

void TerminalReporter::result(std::string_view line) {
  if (options().quiet) return;
  const std::lock_guard lock(mutex());
  clear();
  out().write(base::printable(line) + "\n");
}

void TerminalReporter::draw(const Phase& phase, std::uint64_t done) {
  if (!options().progress) return;
  std::string rest;
  const double seconds = phase.seconds();
  if (phase.total > 0) {
    rest = amount(static_cast<double>(done), phase.unit);
    if (seconds >= guess_after_seconds && done > 0) {
      const double rate = static_cast<double>(done) / seconds;
      if (phase.unit != Unit::items) rest += "  " + rate_of(rate, phase.unit);
      if (done < phase.total)
        rest += "  " + duration(static_cast<double>(phase.total - done) / rate) + " left";
    }
  } else if (seconds >= guess_after_seconds) {
    rest = (done > 0 ? amount(static_cast<double>(done), phase.unit) + "  " : "") + duration(seconds);
  }
  // The last column stays free: some terminals wrap as soon as it is filled.
  const std::size_t room = options().width > 1 ? options().width - 1 : 1;
  std::string line =
      phase.total > 0 ? with_bar(head(phase), done, phase.total, rest, room) : head(phase) + rest;
  line = without_trailing_blanks(std::move(line));
  write_error("\r" + std::string(fit(line, room)) + "\x1b[K");
  drawn_ = true;
}

void TerminalReporter::clear() {
  if (!drawn_) return;
  write_error("\r\x1b[K");
  drawn_ = false;
}

void TerminalReporter::show_end(const Phase& phase, std::string_view result) {
  if (options().quiet) return;
  const bool measured = phase.total > 0;
  const std::string time = measured ? "  " + duration(phase.seconds()) : "";
  if (options().journal) {
    const std::string name = phase.verb + (phase.object.empty() ? "" : " " + phase.object);
    message(Priority::info, "", name + ": " + std::string(result) + time,
            {{"TESLAMATE_BACKUP_PHASE", phase.verb},
             {"TESLAMATE_BACKUP_OBJECT", phase.object},
             {"TESLAMATE_BACKUP_SECONDS", std::to_string(phase.seconds())},
             {"TESLAMATE_BACKUP_TOTAL", std::to_string(phase.total)}});
    return;
  }
  const std::string rest = std::string(result) + time;
  const bool barred = measured && options().progress;
  write_error(without_trailing_blanks(barred ? with_bar(head(phase), 1, 1, rest, options().width)
                                             : head(phase) + rest) +
              "\n");
}

}  // namespace tmb::report
