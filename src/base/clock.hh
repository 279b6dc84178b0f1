// SPDX-License-Identifier: MIT
// Time as a value that is passed in: UTC, whole seconds where a name is made of it.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace tmb::base {

using Time = std::chrono::sys_time<std::chrono::microseconds>;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time now() const = 0;
};

class SystemClock final : public Clock {
 public:
  Time now() const override;
};

std::string compact_utc(Time time);  // 20261120T021503Z
std::string iso_utc(Time time);      // 2026-11-20T02:15:03Z
// The inverse of iso_utc. Throws damaged.
Time parse_iso_utc(std::string_view text);
std::string local_time(Time time);  // 2026-11-20 03:15, in the user's time zone

}  // namespace tmb::base
