// SPDX-License-Identifier: MIT
#include "teslamate/ids.hh"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/error.hh"

namespace tmb::teslamate {

using base::Error;
using base::ExitCode;

std::int64_t parse_id(std::string_view text, std::string_view what) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool number = error == std::errc{} && end == text.data() + text.size() && !text.empty();
  // from_chars takes a minus; a leading zero is somebody else's notation.
  if (!number || text.front() == '0' || value < 1 || value > std::numeric_limits<std::int32_t>::max()) {
    throw Error(ExitCode::usage, "'" + base::printable(text) + "' is not the id of a " + std::string(what) +
                                     ": a number from 1 to 2147483647")
        .with_hint("Grafana shows it in the address of its page");
  }
  return value;
}

Ids parse_ids(const std::vector<std::string>& texts, std::string_view what) {
  Ids out;
  for (const std::string& text : texts) {
    const std::int64_t id = parse_id(text, what);
    if (std::ranges::find(out, id) == out.end()) out.push_back(id);
  }
  return out;
}

std::string array_literal(const Ids& ids) {
  std::string out = "{";
  for (const std::int64_t id : ids) out += (out.size() > 1 ? "," : "") + std::to_string(id);
  return out + "}";
}

std::string listed(const Ids& ids) {
  constexpr std::size_t most = 10;
  const std::size_t shown = ids.size() > most + 1 ? most : ids.size();
  std::string out;
  for (std::size_t i = 0; i < shown; ++i) {
    if (i > 0) out += i + 1 == ids.size() ? " and " : ", ";
    out += std::to_string(ids[i]);
  }
  if (shown < ids.size()) out += " and " + std::to_string(ids.size() - shown) + " more";
  return out;
}

std::string named(std::string_view what, const Ids& ids) {
  return std::string(what) + (ids.size() == 1 ? " " : "s ") + listed(ids);
}

}  // namespace tmb::teslamate
