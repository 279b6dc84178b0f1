// SPDX-License-Identifier: MIT
#include "base/exit_code.hh"

#include <algorithm>
#include <array>

namespace tmb::base {

namespace {

constexpr std::array table{
    ExitCodeInfo{ExitCode::ok, "ok", "done"},
    ExitCodeInfo{ExitCode::internal, "internal", "internal error"},
    ExitCodeInfo{ExitCode::usage, "usage", "wrong usage"},
    ExitCodeInfo{ExitCode::warnings, "warnings", "done, with warnings"},
    ExitCodeInfo{ExitCode::no_repository, "no_repository", "no repository there"},
    ExitCodeInfo{ExitCode::locked, "locked", "locked by another run"},
    ExitCodeInfo{ExitCode::wrong_key, "wrong_key", "wrong passphrase or key"},
    ExitCodeInfo{ExitCode::damaged, "damaged", "damaged, incomplete or forged data"},
    ExitCodeInfo{ExitCode::unsupported, "unsupported", "unsupported version"},
    ExitCodeInfo{ExitCode::cannot_connect, "cannot_connect", "cannot connect to the database"},
    ExitCodeInfo{ExitCode::database, "database", "refused by the database"},
    ExitCodeInfo{ExitCode::local_io, "local_io", "local input or output failed"},
    ExitCodeInfo{ExitCode::service, "service", "a service could not be controlled"},
    ExitCodeInfo{ExitCode::rolled_back, "rolled_back",
                 "restore failed and was rolled back, old data is live"},
    ExitCodeInfo{ExitCode::needs_person, "needs_person", "needs a person; the exact commands are printed"},
    ExitCodeInfo{ExitCode::not_found, "not_found", "not found"},
    ExitCodeInfo{ExitCode::refused, "refused", "refused by a safety check"},
    ExitCodeInfo{ExitCode::interrupted, "interrupted", "interrupted"},
    ExitCodeInfo{ExitCode::terminated, "terminated", "terminated"},
};

int rank(ExitCode code) {
  switch (code) {
    case ExitCode::needs_person: return 4;
    case ExitCode::rolled_back: return 3;
    case ExitCode::damaged: return 2;
    case ExitCode::warnings: return 0;
    case ExitCode::ok: return -1;
    default: return 1;
  }
}

}  // namespace

std::span<const ExitCodeInfo> exit_codes() { return table; }

const ExitCodeInfo& describe(ExitCode code) {
  const auto* found = std::ranges::find(table, code, &ExitCodeInfo::code);
  return found == table.end() ? table[1] : *found;
}

ExitCode more_severe(ExitCode first, ExitCode later) { return rank(later) > rank(first) ? later : first; }

}  // namespace tmb::base
