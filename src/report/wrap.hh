// SPDX-License-Identifier: MIT
// Sentences that are broken between words where a terminal is narrow.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tmb::report {

// The terminal's columns; 0 when `fd` is none.
std::size_t terminal_columns(int fd);

// `text` in lines of at most `columns` cells, all but the first indented by `indent` blanks. A longer word
// stays whole. One line when `columns` is 0.
std::vector<std::string> wrapped(std::string_view text, std::size_t columns, std::size_t indent);

}  // namespace tmb::report
