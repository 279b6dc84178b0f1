// SPDX-License-Identifier: MIT
#include "report/message_reporter.hh"

#include <fmt/format.h>

namespace tmb::report {

using base::printable;
using std::chrono::steady_clock;

namespace {

constexpr auto draw_interval = std::chrono::milliseconds(100);
constexpr auto status_interval = std::chrono::seconds(1);

std::string name_of(const Phase& phase) {
  return phase.object.empty() ? phase.verb : phase.verb + " " + phase.object;
}

// Of an error in the journal: systemd/teslamate-backup.catalog explains each, by the exit code in its last
// byte.
std::string message_id(int code) { return fmt::format("5f2c8d41a96e4b0c8f3d7e1b9a6042{:02x}", code); }

// "hint:  first line", further lines below the first. The writer of a hint makes its lines; names in it are
// escaped.
std::string labelled_lines(std::string_view label, std::string_view text) {
  std::string out;
  const std::string margin(label.size(), ' ');
  std::string_view prefix = label;
  while (true) {
    const std::size_t end = text.find('\n');
    out += std::string(prefix) + printable(text.substr(0, end)) + "\n";
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + 1);
    prefix = margin;
  }
}

}  // namespace

double Phase::seconds() const { return std::chrono::duration<double>(steady_clock::now() - started).count(); }

void MessageReporter::begin_phase(std::string_view verb, std::string_view object, std::uint64_t total,
                                  Unit unit) {
  const std::lock_guard lock(mutex_);
  clear();
  phase_ = Phase{printable(verb), printable(object), total, unit, steady_clock::now()};
  tell_status(name_of(*phase_));
  draw(*phase_, 0);
  next_draw_ = (phase_->started + draw_interval).time_since_epoch().count();
}

void MessageReporter::progress(std::uint64_t done) {
  const steady_clock::time_point now = steady_clock::now();
  std::int64_t next = next_draw_.load(std::memory_order_relaxed);
  if (now.time_since_epoch().count() < next) return;
  // One of the threads that come at the same time draws.
  if (!next_draw_.compare_exchange_strong(next, (now + draw_interval).time_since_epoch().count())) return;
  const std::lock_guard lock(mutex_);
  if (!phase_) return;
  draw(*phase_, done);
  if (now >= next_status_ && phase_->total > 0) {
    const double share =
        static_cast<double>(std::min(done, phase_->total)) / static_cast<double>(phase_->total);
    tell_status(fmt::format("{}: {:.0f} %", name_of(*phase_), 100 * share));
  }
}

void MessageReporter::end_phase(std::string_view result) {
  const std::lock_guard lock(mutex_);
  clear();
  if (!phase_) return;
  const Phase phase = *phase_;
  phase_.reset();
  show_end(phase, printable(result));
}

void MessageReporter::note(std::string_view line) {
  if (options_.quiet) return;
  const std::lock_guard lock(mutex_);
  message(Priority::info, "", line);
}

void MessageReporter::warning(std::string_view line) {
  const std::lock_guard lock(mutex_);
  warnings_.emplace_back(line);
  message(Priority::warning, options_.program + ": " + colored("33", "warning") + ": ", line);
}

void MessageReporter::detail(std::string_view line) {
  if (!options_.verbose) return;
  const std::lock_guard lock(mutex_);
  message(Priority::debug, "", line);
}

bool MessageReporter::warned() const {
  const std::lock_guard lock(mutex_);
  return !warnings_.empty();
}

std::vector<std::string> MessageReporter::warnings() const {
  const std::lock_guard lock(mutex_);
  return warnings_;
}

void MessageReporter::error(const base::Error& error) {
  const std::lock_guard lock(mutex_);
  clear();
  phase_.reset();
  const int code = static_cast<int>(error.code());
  const std::string number = "[" + std::to_string(code) + "]: ";
  std::string below;
  if (!error.state().empty()) below += labelled_lines("state: ", error.state());
  if (!error.hint().empty()) below += labelled_lines("hint:  ", error.hint());
  if (options_.journal) {
    std::string whole = "error" + number + printable(error.message()) + "\n" + below;
    whole.pop_back();
    Fields fields{{"SYSLOG_IDENTIFIER", options_.program},
                  {"MESSAGE_ID", message_id(code)},
                  {"TESLAMATE_BACKUP_EXIT_CODE", std::to_string(code)},
                  {"TESLAMATE_BACKUP_EXIT_NAME", std::string(base::describe(error.code()).name)}};
    if (!error.state().empty()) fields.emplace_back("TESLAMATE_BACKUP_STATE", error.state());
    if (!error.hint().empty()) fields.emplace_back("TESLAMATE_BACKUP_HINT", error.hint());
    if (send_to_journal(Priority::error, whole, fields)) return;
  }
  err_.write(options_.program + ": " + colored("1;31", "error" + number.substr(0, number.size() - 2)) + ": " +
             printable(error.message()) + "\n" + below);
}

void MessageReporter::text(std::string_view text) {
  const std::lock_guard lock(mutex_);
  clear();
  out_.write(text);
}

void MessageReporter::set_status_sink(std::function<void(std::string_view)> status) {
  const std::lock_guard lock(mutex_);
  status_ = std::move(status);
}

void MessageReporter::message(Priority priority, std::string_view label, std::string_view line,
                              Fields fields) {
  clear();
  const std::string shown = printable(line);
  if (options_.journal) {
    fields.emplace_back("SYSLOG_IDENTIFIER", options_.program);
    const std::string prefix = priority == Priority::warning ? "warning: " : "";
    if (send_to_journal(priority, prefix + shown, fields)) return;
  }
  err_.write(std::string(label) + shown + "\n");
}

void MessageReporter::tell_status(const std::string& text) {
  next_status_ = steady_clock::now() + status_interval;
  if (status_) status_(text);
}

std::string MessageReporter::colored(const char* color, std::string_view text) const {
  if (!options_.color) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", color, text);
}

}  // namespace tmb::report
