// SPDX-License-Identifier: MIT
// Keeps the machine from going to sleep or down in the middle of something, where logind allows it.
// Best effort: being refused is worth a log line, never an error; crash safety must not depend on it.
#pragma once

#include <string>

#include "base/fd.hh"

namespace tmb::service {

struct Inhibitor {
  base::UniqueFd lock;  // holds until closed; empty when refused
  std::string refusal;  // why, when refused
};

// `why` is shown to people who try to shut the machine down.
Inhibitor inhibit_shutdown(const std::string& why);

}  // namespace tmb::service
