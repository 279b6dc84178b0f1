// SPDX-License-Identifier: MIT
// The folders of a repository, and what may stand in one whose format.json is not there. Private to this
// folder.
#pragma once

#include <string>

#include "base/file.hh"

namespace tmb::repository {

inline constexpr std::uint64_t reader_byte = 0;  // of the lock file, see repository.hh
inline constexpr std::uint64_t writer_byte = 1;

bool is_object_id(std::string_view name);

// Calls visit(path) for each of objects/00 to objects/ff, whether it is there or not.
template <class Visit>
void for_each_shard(const base::Path& repository, Visit&& visit) {
  constexpr std::string_view digits = "0123456789abcdef";
  const base::Path objects = repository / "objects";
  for (const char high : digits) {
    for (const char low : digits) visit(objects / std::string{high, low});
  }
}

// Throws no_repository for a folder that holds other things than a half-made repository does.
void refuse_foreign_content(const base::Path& path);

// Throws damaged when this was a repository that somebody may still want to read: it holds a snapshot, an
// object, a note on them, or more keys than a first run leaves that was killed.
void refuse_what_remains(const base::Path& path);

// Makes the folders and the lock file, as far as they are not there.
void make_layout(const base::Path& path);
// The folders of objects alone: a copy of a repository may lack those that were empty.
void make_shards(const base::Path& path);

}  // namespace tmb::repository
