// SPDX-License-Identifier: MIT
// For roles that may not create databases: everything in one transaction of the live database, after a
// snapshot of what is there that nobody can write behind: the service is down and the tables are locked.
// Private to restore/.
#pragma once

#include "repository/source.hh"
#include "restore/preflight.hh"
#include "restore/session.hh"

namespace tmb::restore {

// Throws with the state said: the data from before unless COMMIT took place, the restored data when it did.
// needs_person: it is not known yet, or the units could not be freed; the journal then stays for --abort.
Outcome restore_in_place(Session& session, const repository::BackupSource& source, const Target& target);

// For a run that died: asks the server whether its transaction took place, and brings the units up again.
// Returns what it found and did, for a person.
std::string recover_in_place(Session& session, const Journal& journal);

}  // namespace tmb::restore
