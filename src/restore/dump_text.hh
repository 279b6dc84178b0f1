// SPDX-License-Identifier: MIT
// A dump as SQL text, whatever form it has: plain ones as they are, archives through pg_restore. Private to
// restore/.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "archive/input.hh"
#include "postgres/tools.hh"

namespace tmb::restore {

// pg_restore of the newest release installed: it reads the archives of all older ones. Throws unsupported
// when there is none.
postgres::Tools newest_tools(const std::string& pg_bin_dir);

// From the first byte. The end throws damaged when pg_restore did not read the archive to its end,
// unsupported when the archive is newer than it. As root pg_restore runs as nobody: it reads what a stranger
// wrote.
std::unique_ptr<base::ByteSource> open_dump_text(const archive::InputFile& file,
                                                 const std::optional<postgres::Tools>& tools,
                                                 const std::stop_token& stop);

}  // namespace tmb::restore
