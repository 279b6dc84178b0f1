// SPDX-License-Identifier: MIT
// Checks the objects that a set of manifests names, each once, with all workers. Private to verify/.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <tuple>
#include <vector>

#include "report/reporter.hh"
#include "repository/repository.hh"
#include "verify/verify.hh"

namespace tmb::verify {

// As manifests name it; two that disagree about one id cannot both be right.
struct NamedObject {
  repository::ObjectType type;
  repository::ObjectRef ref;

  auto key() const { return std::tie(ref.id, ref.plain_bytes, type); }
  friend bool operator<(const NamedObject& a, const NamedObject& b) { return a.key() < b.key(); }
};

struct ObjectState {
  std::optional<Damage> damage;
  std::optional<std::uint64_t> lines;  // of table rows, when the data was read
};

using ObjectStates = std::map<NamedObject, ObjectState>;

// Fills in the states. Throws interrupted.
void check_objects(const repository::Repository& repository, ObjectStates& objects, const Options& options,
                   report::Reporter& reporter, const std::stop_token& stop);

}  // namespace tmb::verify
