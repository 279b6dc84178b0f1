// SPDX-License-Identifier: MIT
#include "base/clock.hh"

#include <array>
#include <cstdio>
#include <ctime>

#include "base/error.hh"

namespace tmb::base {

namespace {

std::tm broken_down_utc(Time time) {
  const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm out{};
  gmtime_r(&seconds, &out);
  return out;
}

}  // namespace

Time SystemClock::now() const {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

std::string compact_utc(Time time) {
  const std::tm parts = broken_down_utc(time);
  std::array<char, 64> buffer{};
  return {buffer.data(), std::strftime(buffer.data(), buffer.size(), "%Y%m%dT%H%M%SZ", &parts)};
}

std::string iso_utc(Time time) {
  const std::tm parts = broken_down_utc(time);
  std::array<char, 64> buffer{};
  return {buffer.data(), std::strftime(buffer.data(), buffer.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

Time parse_iso_utc(std::string_view text) {
  std::tm parts{};
  const std::string copy(text);
  const char* end = strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  if (end == nullptr || *end != '\0') throw Error(ExitCode::damaged, "not a time: " + printable(text));
  const Time time{std::chrono::seconds(timegm(&parts))};
  // 30 February reads as 2 March: what does not come back was no time.
  if (iso_utc(time) != text) throw Error(ExitCode::damaged, "not a time: " + printable(text));
  return time;
}

std::string local_time(Time time) {
  const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm parts{};
  localtime_r(&seconds, &parts);
  std::array<char, 64> buffer{};
  return {buffer.data(), std::strftime(buffer.data(), buffer.size(), "%Y-%m-%d %H:%M", &parts)};
}

}  // namespace tmb::base
