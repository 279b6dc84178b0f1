// SPDX-License-Identifier: MIT
// What a person knows a TeslaMate database by, counted while a dump is read: the migration it stands at, its
// cars, their drives and charges. Private to restore/.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "repository/manifest.hh"
#include "sql/survey.hh"

namespace tmb::restore {

class DumpFacts {
 public:
  // To be given to the survey; they write into this, which has to outlive it.
  std::vector<sql::Watch> watches();
  std::string migration_version() const { return migration_version_; }
  std::vector<repository::CarSummary> cars() const;

 private:
  using Cells = std::vector<std::string_view>;
  void see_date(repository::CarSummary& car, std::string_view date) const;
  std::map<std::int64_t, repository::CarSummary> cars_;
  std::string migration_version_;
};

}  // namespace tmb::restore
