// SPDX-License-Identifier: MIT
// The comment by which a database is known as one that a restore made or kept. A database without it belongs
// to somebody else and is never dropped or renamed.
#pragma once

#include <optional>
#include <string>

#include "base/clock.hh"

namespace tmb::restore {

struct Marker {
  enum class Kind {
    staging,   // being filled, or filled and not yet live
    kept,      // was live until a restore or a rollback took its place
    rejected,  // was live for a moment and taken back because the service did not come up on it
  };
  Kind kind = Kind::staging;
  std::string run;       // id of the run that wrote it
  std::string database;  // the live database's name
  std::string snapshot;  // loaded into it, or that took its place
  base::Time since{};
  std::optional<std::string> comment;  // the database's own, put back when it becomes live again
};

std::string to_comment(const Marker& marker);
// nullopt for any comment that is not exactly one of ours.
std::optional<Marker> parse_marker(const std::optional<std::string>& comment);

}  // namespace tmb::restore
