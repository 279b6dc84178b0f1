// SPDX-License-Identifier: MIT
// What a restore did, as the document of --json. Members are only ever added.
#pragma once

#include "report/json.hh"
#include "restore/restore.hh"

namespace tmb::restore {

report::Json to_json(const Outcome& outcome);

}  // namespace tmb::restore
