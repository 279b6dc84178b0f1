// SPDX-License-Identifier: MIT
// A status as people and as programs read it.
#pragma once

#include <string>
#include <vector>

#include "status/status.hh"

namespace tmb::status {

std::vector<std::string> describe(const Status& status);
report::Json to_json(const Status& status);

// The text format of Prometheus, version 0.0.4: names in man page and README.
std::string to_metrics(const Status& status);

// One page without anything from elsewhere: no script, no link, no font.
std::string to_html(const Status& status);

const char* name_of(Level level);

// The values of a fact over the good runs of a kind, oldest first; "seconds" is the run's own time.
struct Series {
  std::vector<base::Time> times;
  std::vector<double> values;
};
Series series_of(const Status& status, const std::string& kind, const char* fact);

}  // namespace tmb::status
