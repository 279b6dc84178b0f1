// SPDX-License-Identifier: MIT
#include "report/program_reporter.hh"

#include <sys/ioctl.h>
#include <unistd.h>

#include "report/message_reporter.hh"
#include "report/terminal.hh"

namespace tmb::report {

namespace {

// Nothing for people on stdout: one document, at the end.
class JsonReporter final : public MessageReporter {
 public:
  using MessageReporter::MessageReporter;

  void result(std::string_view /*line*/) override {}
  void finish(const Json& document) override { text(to_text(document)); }

 protected:
  void show_end(const Phase& phase, std::string_view result) override {
    if (options().verbose)
      message(Priority::debug, "", phase.verb + " " + phase.object + ": " + std::string(result));
  }
};

}  // namespace

ReporterOptions detect(ReporterOptions options, const std::function<const char*(const char*)>& variable) {
  const char* no_color = variable("NO_COLOR");
  const char* term = variable("TERM");
  const bool terminal = ::isatty(options.err) == 1 && term != nullptr && std::string_view(term) != "dumb";
  options.journal = is_journal_stream(options.err, variable("JOURNAL_STREAM"));
  options.color = terminal && (no_color == nullptr || *no_color == '\0');
  options.progress = terminal && !options.quiet && !options.json;
  winsize size{};
  if (terminal && ::ioctl(options.err, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    options.width = size.ws_col;
  return options;
}

std::unique_ptr<ProgramReporter> make_reporter(const ReporterOptions& options) {
  if (options.json) return std::make_unique<JsonReporter>(options);
  return std::make_unique<TerminalReporter>(options);
}

}  // namespace tmb::report
