// SPDX-License-Identifier: MIT
// Ids as a person types them: plain decimal digits of a positive int4 and nothing else. Nothing is trimmed,
// truncated or guessed, because what follows is deleted by it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tmb::teslamate {

using Ids = std::vector<std::int64_t>;

// `what` is for the message: "drive". Throws usage.
std::int64_t parse_id(std::string_view text, std::string_view what);
// Each once, in the order given.
Ids parse_ids(const std::vector<std::string>& texts, std::string_view what);

std::string array_literal(const Ids& ids);                 // {1,2}
std::string listed(const Ids& ids);                        // 1, 2 and 3; of many the first ten
std::string named(std::string_view what, const Ids& ids);  // drive 1, drives 1 and 2

}  // namespace tmb::teslamate
