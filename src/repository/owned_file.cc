// SPDX-License-Identifier: MIT
#include "repository/owned_file.hh"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.hh"

namespace tmb::repository {

void give_to_owner_of_folder(const base::Path& path) {
  if (::geteuid() != 0) return;
  const base::Path folder = path.has_parent_path() ? path.parent_path() : base::Path(".");
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0 || status.st_uid == 0) return;
  if (::lchown(path.c_str(), status.st_uid, status.st_gid) != 0)
    throw base::system_error(
        errno, "cannot give " + base::printable(path.string()) + " to the owner of the repository");
}

void publish_owned(const base::Path& path, std::string_view bytes, base::Overwrite overwrite, unsigned mode) {
  base::publish_file(path, bytes, overwrite, mode);
  give_to_owner_of_folder(path);
}

void publish_owned_unsynced_name(const base::Path& path, std::string_view bytes, base::Overwrite overwrite,
                                 unsigned mode) {
  base::publish_file_unsynced_name(path, bytes, overwrite, mode);
  give_to_owner_of_folder(path);
}

bool make_owned_directory(const base::Path& directory) {
  const bool made = base::make_directory(directory);
  if (made) give_to_owner_of_folder(directory);
  return made;
}

}  // namespace tmb::repository
