// SPDX-License-Identifier: MIT
// Files that must not be lost: read whole, published whole or not at all, directories synced.
// Everything is created 0600/0700 whatever the umask says; symbolic links are not followed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/exit_code.hh"
#include "base/fd.hh"

namespace tmb::base {

using Path = std::filesystem::path;

// The whole file, at most `limit` bytes. Throws local_io; damaged when it is longer than `limit`.
std::string read_file(const Path& path, std::uint64_t limit);
// nullopt when there is no such file.
std::optional<std::string> read_file_if_there(const Path& path, std::uint64_t limit);

enum class Overwrite { no, yes };

// Durable publish: temporary file in the same directory, write, fsync, read back and compare, rename
// (or link, when an existing file must stay), fsync of the directory. After it returns the file
// survives a power cut; when it throws, `path` is as it was and the temporary file is gone.
// Throws local_io; refused when `overwrite` is no and the file is there.
void publish_file(const Path& path, std::string_view bytes, Overwrite overwrite, unsigned mode = 0600);

// As publish_file, without the last step: the caller syncs the directory once for many files.
void publish_file_unsynced_name(const Path& path, std::string_view bytes, Overwrite overwrite, unsigned mode);

void sync_directory(const Path& directory);

// Creates one directory (0700) if it is absent; its parent must exist. Throws local_io when the path is
// something else than a directory. True when it was made now; the parent is synced then.
bool make_directory(const Path& directory);

// Removes temporary files (and empty folders) left in `directory`. Call only under the writer's lock.
// Returns how many were removed.
std::size_t remove_temporary_files(const Path& directory);

// An anonymous file in memory holding `bytes`, readable by user `uid` only, to hand to a child process
// as /proc/self/fd/N: for what must not touch a disk.
UniqueFd memory_file(std::string_view name, std::string_view bytes, std::optional<unsigned> uid = {});
std::string memory_file_path(const UniqueFd& file);

// Free bytes on the file system of `path` for an ordinary user.
std::uint64_t free_space(const Path& path);

}  // namespace tmb::base
