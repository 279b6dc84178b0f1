// SPDX-License-Identifier: MIT
// Times as the screens of this folder say them, and small plots. Private to status/.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/clock.hh"

namespace tmb::status {

// By more than two clocks may differ: it was noted while a clock was wrong, or one is now.
bool lies_ahead(base::Time time, base::Time now);

std::string age_text(std::chrono::seconds time);  // 40 s, 12 min, 16 h, 12 days

// One block for each of the newest `width` values, lowest to highest.
std::string sparkline(const std::vector<double>& values, std::size_t width);

}  // namespace tmb::status
