// SPDX-License-Identifier: MIT
#include "status/rotation.hh"

#include <sys/stat.h>

#include <algorithm>
#include <numeric>

#include "base/error.hh"
#include "report/json.hh"
#include "repository/owned_file.hh"
#include "status/words.hh"

namespace tmb::status {

using report::Json;

namespace {

constexpr std::uint64_t max_bytes = 65536;
constexpr const char* file_name = "verify-rotation.json";

std::string full_path(const base::Path& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

}  // namespace

Rotation Rotation::read(const base::Path& state_dir, const base::Path& repository) {
  Rotation out;
  try {
    const auto bytes = base::read_file_if_there(state_dir / file_name, max_bytes);
    if (!bytes) return out;
    const Json json = Json::parse(*bytes);
    if (json.at("repository") != base::printable(full_path(repository))) return out;
    out.run_ = base::parse_iso_utc(json.at("run").get<std::string>());
    for (unsigned i = 0; i < parts; ++i) {
      const Json& one = json.at("parts").at(i);
      if (!one.is_null()) out.last_.at(i) = base::parse_iso_utc(one.get<std::string>());
    }
    return out;
  } catch (const base::Error&) {
    return {};
  } catch (const Json::exception&) {
    return {};
  }
}

void Rotation::write(const base::Path& state_dir, const base::Path& repository) const {
  struct stat status {};
  if (!run_ || ::stat(state_dir.c_str(), &status) != 0) return;
  Json list = Json::array();
  for (const auto& one : last_) list.push_back(one ? Json(base::iso_utc(*one)) : Json());
  const Json json{{"repository", base::printable(full_path(repository))},
                  {"run", base::iso_utc(*run_)},
                  {"parts", std::move(list)}};
  // Also when root wrote it, the account of the timer goes on from it.
  repository::publish_owned(state_dir / file_name, json.dump() + "\n", base::Overwrite::yes);
}

std::optional<base::Time> Rotation::last(unsigned part, base::Time now) const {
  const auto& read = last_.at(part);
  return read && !lies_ahead(*read, now) ? read : std::nullopt;
}

std::optional<base::Time> Rotation::all_read(base::Time now) const {
  std::optional<base::Time> oldest;
  for (unsigned part = 0; part < parts; ++part) {
    const auto one = last(part, now);
    if (!one) return std::nullopt;
    if (!oldest || *one < *oldest) oldest = one;
  }
  return oldest;
}

std::vector<unsigned> Rotation::due(base::Time now, std::chrono::seconds period) const {
  using std::chrono::seconds;
  // The time until the next run is taken to be that since the last one; a clock that jumps reads more, or a
  // day's share.
  const auto day = std::min(seconds(86400), period);
  auto interval = run_ ? std::chrono::duration_cast<seconds>(now - *run_) : day;
  interval = interval.count() <= 0 ? day : std::clamp(interval, std::min(seconds(3600), period), period);
  const auto share =
      static_cast<std::size_t>((static_cast<std::int64_t>(parts) * interval.count() + period.count() - 1) /
                               std::max<std::int64_t>(1, period.count()));
  std::vector<unsigned> order(parts);
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::stable_sort(order, [&](unsigned a, unsigned b) { return last(a, now) < last(b, now); });
  std::vector<unsigned> out;
  for (const unsigned part : order) {
    const auto read = last(part, now);
    const bool overdue = read && now - *read + interval > period;
    if (out.size() < share || overdue) out.push_back(part);
  }
  std::ranges::sort(out);
  return out;
}

void Rotation::mark(const std::vector<unsigned>& read, base::Time now) {
  run_ = now;
  for (const unsigned part : read) last_.at(part) = now;
}

void Rotation::mark_all(base::Time now) {
  run_ = now;
  last_.fill(now);
}

}  // namespace tmb::status
