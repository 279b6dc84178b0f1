// SPDX-License-Identifier: MIT
// As base's publishing of files, but what root writes into a repository belongs to the account that the
// folder belongs to: otherwise one `sudo teslamate-backup` at night keeps every later scheduled backup out.
// For what writes into a repository.
#pragma once

#include <string_view>

#include "base/file.hh"

namespace tmb::repository {

void publish_owned(const base::Path& path, std::string_view bytes, base::Overwrite overwrite,
                   unsigned mode = 0600);
void publish_owned_unsynced_name(const base::Path& path, std::string_view bytes, base::Overwrite overwrite,
                                 unsigned mode);
// As base::make_directory.
bool make_owned_directory(const base::Path& directory);
// Without the sync of its parent, for many at once.
bool make_owned_directory_unsynced(const base::Path& directory);

}  // namespace tmb::repository
