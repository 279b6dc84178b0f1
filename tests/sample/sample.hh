// SPDX-License-Identifier: MIT
// A whole sample database: years of two cars' driving, parking and charging, written in one pass.
#pragma once

#include "options.hh"
#include "script.hh"

namespace tmb::sample {

// What the nasty rows may refer to and where their ids start.
struct NextIds {
  std::int64_t position = 1;
  std::int64_t drive = 1;
  std::int64_t process = 1;
  std::int64_t charge = 1;
  std::int64_t state = 1;
  std::int64_t update = 1;
  std::int64_t address = 1;
  std::int64_t geofence = 1;
};

void write_sample(Script& script, const Options& options);

// Rows of every table with values that break careless tools (nasty.cc).
void append_nasty_rows(Script& script, NextIds& next, Random& random);

// The N-th day's changes to any sample database (day.cc).
void write_day(Script& script, const Options& options);

}  // namespace tmb::sample
