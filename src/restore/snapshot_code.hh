// SPDX-License-Identifier: MIT
// Whether a snapshot that somebody else may have made brings code that the server would run.
#pragma once

#include <stop_token>
#include <string>

#include "repository/source.hh"

namespace tmb::restore {

// Its definitions as SQL, held to what a dump of another program may say. Throws refused when they say more,
// unsupported when there is no pg_restore that could read them, damaged.
void refuse_code(const repository::BackupSource& source, const std::string& pg_bin_dir,
                 const std::stop_token& stop);

}  // namespace tmb::restore
