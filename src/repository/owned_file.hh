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
// For what was made in another way. Does nothing unless we are root.
void give_to_owner_of_folder(const base::Path& path);
bool make_owned_directory(const base::Path& directory);

}  // namespace tmb::repository
