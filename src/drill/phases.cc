// SPDX-License-Identifier: MIT
#include "drill/phases.hh"

namespace tmb::drill {

void PhaseTimes::begin_phase(std::string_view verb, std::string_view object, std::uint64_t total,
                             report::Unit unit) {
  verb_ = verb;
  other_.begin_phase(verb, object, total, unit);
}

void PhaseTimes::end_phase(std::string_view result) {
  const auto now = std::chrono::steady_clock::now();
  times_.emplace_back(verb_, std::chrono::duration<double>(now - last_).count());
  last_ = now;
  other_.end_phase(result);
}

}  // namespace tmb::drill
