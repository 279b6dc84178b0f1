// SPDX-License-Identifier: MIT
// Reads every byte of a snapshot before anything is touched. Private to restore/.
#pragma once

#include <stop_token>

#include "report/reporter.hh"
#include "repository/source.hh"
#include "restore/input.hh"

namespace tmb::restore {

// Throws damaged, naming the object and the table it belongs to.
void read_everything(const repository::BackupSource& source, Proof proof, unsigned jobs,
                     report::Reporter& reporter, const std::stop_token& stop);

}  // namespace tmb::restore
