// SPDX-License-Identifier: MIT
// The rules that Tracearr puts on its backups, with its own words for what is wrong.
#pragma once

#include <string>

namespace tmb::restore {

struct TracearrFacts {
  std::string app_version;
  std::string created;            // as the file writes it
  std::string postgres_version;   // of the server that it was taken from
  std::string timescale_version;  // empty: none
};

// Throws damaged with Tracearr's text, unsupported for a format that is newer.
TracearrFacts read_tracearr(const std::string& metadata);

}  // namespace tmb::restore
