// SPDX-License-Identifier: MIT
// For people: results on stdout; on stderr a line for each phase, on a terminal drawn anew while it runs.
// Private to report/.
#pragma once

#include "report/message_reporter.hh"

namespace tmb::report {

class TerminalReporter final : public MessageReporter {
 public:
  using MessageReporter::MessageReporter;
  ~TerminalReporter() override { clear(); }

  void result(std::string_view line) override;
  void finish(const Json& /*document*/) override {}

 protected:
  void draw(const Phase& phase, std::uint64_t done) override;
  void clear() override;
  void show_end(const Phase& phase, std::string_view result) override;

 private:
  bool drawn_ = false;
};

}  // namespace tmb::report
