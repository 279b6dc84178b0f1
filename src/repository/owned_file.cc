// SPDX-License-Identifier: MIT
#include "repository/owned_file.hh"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/error.hh"
#include "base/file_owner.hh"

namespace tmb::repository {

using base::printable;

namespace {

base::Path folder_of(const base::Path& path) {
  return path.has_parent_path() ? path.parent_path() : base::Path(".");
}

// nullopt: whoever makes the file is its owner.
std::optional<base::Owner> owner_in(const base::Path& folder) {
  struct stat status {};
  if (::geteuid() != 0 || ::stat(folder.c_str(), &status) != 0 || status.st_uid == 0) return std::nullopt;
  return base::Owner{status.st_uid, status.st_gid};
}

void give_away(const base::Path& directory, const base::Owner& owner) {
  if (::lchown(directory.c_str(), owner.uid, owner.gid) != 0)
    throw base::system_error(
        errno, "cannot give " + printable(directory.string()) + " to the owner of the repository");
}

// False when there is one already.
bool make_for(const base::Path& directory, const base::Owner& owner) {
  struct stat status {};
  if (::lstat(directory.c_str(), &status) == 0) {
    if (!S_ISDIR(status.st_mode))
      throw base::Error(base::ExitCode::local_io,
                        printable(directory.string()) + " is there but is not a folder");
    if (status.st_uid == 0) give_away(directory, owner);
    return false;
  }
  const auto fail = [&](int error) {
    return base::system_error(error, "cannot create the folder " + printable(directory.string()));
  };
  // Under another name until it is its owner's: a run that is killed leaves no folder that keeps them out.
  const base::Path temporary =
      folder_of(directory) / (".tmp-" + std::to_string(::getpid()) + "-" + directory.filename().string());
  ::rmdir(temporary.c_str());
  if (::mkdir(temporary.c_str(), 0700) != 0) throw fail(errno);
  give_away(temporary, owner);
  if (::rename(temporary.c_str(), directory.c_str()) == 0) return true;
  const int error = errno;
  ::rmdir(temporary.c_str());
  if (error == ENOTEMPTY || error == EEXIST) return false;  // another run was quicker
  throw fail(error);
}

}  // namespace

void publish_owned(const base::Path& path, std::string_view bytes, base::Overwrite overwrite, unsigned mode) {
  base::publish_file_for(owner_in(folder_of(path)), path, bytes, overwrite, mode);
}

void publish_owned_unsynced_name(const base::Path& path, std::string_view bytes, base::Overwrite overwrite,
                                 unsigned mode) {
  base::publish_file_unsynced_name_for(owner_in(folder_of(path)), path, bytes, overwrite, mode);
}

bool make_owned_directory_unsynced(const base::Path& directory) {
  if (const auto owner = owner_in(folder_of(directory))) return make_for(directory, *owner);
  struct stat status {};
  const auto is_there = [&] { return ::stat(directory.c_str(), &status) == 0 && S_ISDIR(status.st_mode); };
  if (is_there()) return false;
  if (::mkdir(directory.c_str(), 0700) == 0) return true;
  const int error = errno;
  if (error == EEXIST && is_there()) return false;
  throw base::system_error(error, "cannot create the folder " + printable(directory.string()));
}

bool make_owned_directory(const base::Path& directory) {
  const auto owner = owner_in(folder_of(directory));
  if (!owner) return base::make_directory(directory);
  const bool made = make_for(directory, *owner);
  if (made) base::sync_directory(folder_of(directory));
  return made;
}

}  // namespace tmb::repository
