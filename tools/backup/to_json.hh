// SPDX-License-Identifier: MIT
// A backup's outcome as the document that --json prints.
#pragma once

#include "backup/backup.hh"
#include "report/json.hh"

namespace tmb::tools {

report::Json to_json(const backup::Outcome& outcome);

}  // namespace tmb::tools
