// SPDX-License-Identifier: MIT
#include "status/words.hh"

#include <algorithm>
#include <array>

namespace tmb::status {

bool lies_ahead(base::Time time, base::Time now) { return time - now > std::chrono::minutes(10); }

std::string age_text(std::chrono::seconds time) {
  const long long s = std::max<long long>(0, time.count());
  if (s < 120) return std::to_string(s) + " s";
  if (s < 120LL * 60) return std::to_string(s / 60) + " min";
  if (s < 72LL * 3600) return std::to_string(s / 3600) + " h";
  return std::to_string(s / 86400) + " days";
}

std::string sparkline(const std::vector<double>& values, std::size_t width) {
  static constexpr std::array<const char*, 8> blocks{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  const std::size_t count = std::min(width, values.size());
  const auto begin = values.end() - static_cast<std::ptrdiff_t>(count);
  if (count == 0) return "";
  const auto [low, high] = std::minmax_element(begin, values.end());
  std::string out;
  for (auto it = begin; it != values.end(); ++it) {
    // Values that hardly differ are a flat line, not a mountain range.
    const double range = std::max(*high - *low, *high * 0.05);
    const double part = range <= 0 ? 0 : (*it - *low) / range;
    out += blocks.at(std::min<std::size_t>(7, static_cast<std::size_t>(part * 8)));
  }
  return out;
}

}  // namespace tmb::status
