// SPDX-License-Identifier: MIT
// What an OnFailure= unit does: says which unit failed, with the end of its journal.
#pragma once

#include <string>

#include "notify/notifier.hh"

namespace tmb::notify {

// Throws usage for what is no unit's name; local_io when not everybody could be told. That nobody is named is
// a note.
void tell_of_failed_unit(const std::string& unit, const config::NotifySettings& settings,
                         const config::Environment& environment, report::Reporter& reporter);

}  // namespace tmb::notify
