// SPDX-License-Identifier: MIT
// base/file.hh's publishing for root, who writes for others: a file that belongs to another account before it
// has its name. A run that is killed then leaves no file that its owner cannot read.
#pragma once

#include "base/file.hh"

namespace tmb::base {

struct Owner {
  unsigned uid = 0;
  unsigned gid = 0;
};

// As publish_file and publish_file_unsynced_name; without an owner the file is ours.
void publish_file_for(const std::optional<Owner>& owner, const Path& path, std::string_view bytes,
                      Overwrite overwrite, unsigned mode);
void publish_file_unsynced_name_for(const std::optional<Owner>& owner, const Path& path,
                                    std::string_view bytes, Overwrite overwrite, unsigned mode);

}  // namespace tmb::base
