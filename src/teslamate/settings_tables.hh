// SPDX-License-Identifier: MIT
// The tables of what a user of TeslaMate configured: all that a backup of the scope "settings" has rows of.
// Never a track, never a token.
#pragma once

#include <array>
#include <string_view>

namespace tmb::teslamate {

inline constexpr std::array<std::string_view, 5> settings_tables{"car_settings", "cars", "settings",
                                                                 "geofences", "addresses"};

}  // namespace tmb::teslamate
