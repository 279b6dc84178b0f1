// SPDX-License-Identifier: MIT
// What a run that died left behind is finished or undone before anything new begins. Private to restore/.
#pragma once

#include <string>
#include <vector>

#include "restore/session.hh"

namespace tmb::restore {

// Returns what was done, for a person; empty when nothing was left behind. Throws refused when the journal is
// of another server, rolled_back and needs_person as a swap does.
std::vector<std::string> clear_leftovers(Session& session);

}  // namespace tmb::restore
