// SPDX-License-Identifier: MIT
// A few questions like those that TeslaMate's dashboards ask: a database that answers them serves its users.
#pragma once

#include <string>
#include <vector>

#include "postgres/connection.hh"

namespace tmb::teslamate {

struct DashboardAnswer {
  std::string name;
  int rows = 0;
  double seconds = 0;
};

// Empty where the database does not have TeslaMate's tables. Throws database, naming the question, when one
// cannot be answered.
std::vector<DashboardAnswer> ask_like_dashboards(postgres::Connection& connection);

}  // namespace tmb::teslamate
