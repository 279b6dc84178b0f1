// SPDX-License-Identifier: MIT
#include "restore/leftovers.hh"

#include "base/error.hh"
#include "catalog/admin.hh"
#include "restore/in_place.hh"
#include "restore/marker.hh"
#include "restore/swap.hh"

namespace tmb::restore {

using base::Error;
using base::ExitCode;
using base::printable;

namespace {

void check_is_ours(const Session& s, const Journal& j) {
  if (j.system_identifier != s.system_identifier || j.live != s.database) {
    throw Error(ExitCode::refused, "an unfinished restore of " + printable(j.live) + " is recorded in " +
                                       printable(s.journal.path().string()) +
                                       ", on another server or for another database than this")
        .with_state("that restore stopped at the step " + name_of(j.step))
        .with_hint("run teslamate-restore --abort with the settings of that database");
  }
  if (!j.units.empty() && s.adapters.services == nullptr) {
    throw Error(ExitCode::refused, "an unfinished restore holds " + printable(j.units.front().name) + " down")
        .with_hint("run teslamate-restore --abort without --no-service");
  }
}

// A run that died between CREATE DATABASE and its mark leaves a database known by the journal alone.
void drop_unmarked(Session& s, const Journal& j) {
  const auto entry = catalog::find_database(s.admin, j.staging);
  if (entry && !entry->comment && (j.staging_oid == 0 || j.staging_oid == entry->oid))
    catalog::drop_database(s.admin, j.staging);
}

}  // namespace

std::vector<std::string> clear_leftovers(Session& s) {
  std::vector<std::string> done;
  if (const std::optional<Journal> journal = s.journal.read()) {
    check_is_ours(s, *journal);
    if (journal->step == Step::staging) {
      if (journal->operation != "rollback") drop_unmarked(s, *journal);
      s.journal.remove();
      done.push_back("an interrupted restore had not touched " + printable(s.database) +
                     " yet; nothing half-loaded is left of it");
    } else if (journal->operation == "in-place") {
      done.push_back(recover_in_place(s, *journal));
    } else {
      done.push_back(Swap(s, *journal).recover());
    }
  }
  remove_dead_staging(s);
  return done;
}

}  // namespace tmb::restore
