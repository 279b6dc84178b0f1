// SPDX-License-Identifier: MIT
// A consistent copy of an SQLite database that somebody may be writing to, made by SQLite itself, in memory.
// The only user of SQLite. Leaves nothing on a disk.
#pragma once

#include <cstdint>
#include <string>

#include "base/file.hh"

namespace tmb::files {

// The bytes of a database file with the same content. Throws local_io, also when it is locked for longer than
// ten seconds; damaged when it is not an SQLite database; refused when it is larger than `limit`.
std::string copy_sqlite(const base::Path& path, std::uint64_t limit);

}  // namespace tmb::files
