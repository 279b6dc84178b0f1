// SPDX-License-Identifier: MIT
// A generated key as a person can type it and a file can hold it: 160 random bits in groups of four, with a
// check against mistyping. "TMBK-7F3A-…", digits and letters without I, L, O, U.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/secret.hh"

namespace tmb::repository {

base::Secret generate_key_text();

// The 20 bytes behind such a text, in either case, with any blanks and dashes; 1, I and L mean the same, so
// do 0 and O. nullopt for any other text, which is somebody's passphrase. Throws wrong_key when it has the
// form of a generated key but is mistyped.
std::optional<base::Secret> parse_key_text(const base::Secret& text);

}  // namespace tmb::repository
