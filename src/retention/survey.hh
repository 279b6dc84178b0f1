// SPDX-License-Identifier: MIT
// What a repository holds, read under the lock of a removal: every manifest, and every object's file. Private
// to retention/.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "report/reporter.hh"
#include "repository/known_damage.hh"
#include "repository/removal.hh"
#include "retention/plan.hh"

namespace tmb::retention {

struct SurveyedObject {
  std::string id;
  std::uint64_t bytes = 0;    // of its file
  std::uint32_t holders = 0;  // snapshots that name it
};

struct Survey {
  std::vector<Candidate> snapshots;                // oldest first
  std::vector<std::vector<std::uint32_t>> naming;  // for each of them, which of `objects` it names
  std::vector<SurveyedObject> objects;             // that are there, by id
};

// Throws what reading throws: with one manifest unreadable nothing can be called unused. A snapshot with an
// object missing is in the list as damaged, and one of which `known` says so.
Survey survey(const repository::Repository& repository, const repository::Removal& removal,
              const repository::KnownDamage& known, report::Reporter& reporter);

}  // namespace tmb::retention
