// SPDX-License-Identifier: MIT
// An encrypted repository of one snapshot that opens at once, for the tests of this folder only.
#pragma once

#include <sys/stat.h>

#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "base/error.hh"
#include "folder.hh"
#include "repository/key_text.hh"
#include "repository/sample_snapshot.hh"

namespace tmb::test {

inline constexpr crypto::ScryptCost cheap{1024, 8, 1};
inline constexpr repository::ScryptBounds any_cost{2, 1U << 18U, 256U << 20U};

inline base::ExitCode outcome(const std::function<void()>& act) {
  try {
    act();
    return base::ExitCode::ok;
  } catch (const base::Error& error) {
    return error.code();
  }
}

inline repository::AskSecret answer(const base::Secret& secret) {
  return [secret](const std::string&) { return secret; };
}

inline repository::AskSecret answer(const char* text) { return answer(base::Secret(text)); }

inline std::string read(const base::Path& path) { return base::read_file(path, 1 << 24); }

// In place: 0400 does not hinder root, and for others the mode is changed first.
inline void write(const base::Path& path, std::string_view bytes) {
  ::chmod(path.c_str(), 0600);
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline std::vector<base::Path> files_of(const base::Path& folder) {
  std::vector<base::Path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && entry.path().filename() != "lock") files.push_back(entry.path());
  }
  return files;
}

struct EncryptedSample {
  static constexpr const char* id = "20261120T021503Z-7f3a";

  explicit EncryptedSample(const char* name = "r")
      : key(repository::generate_key_text()),
        repository(
            repository::Repository::create(folder / name, repository::NewKey{key, "test", {}, cheap})) {
    manifest = sample_manifest(repository, id);
    repository.publish(manifest);
  }
  base::Path path() const { return repository.path(); }
  base::ExitCode read_all() const {
    return outcome([&] { read_whole_snapshot(path(), answer(key)); });
  }
  base::Path object(const repository::ObjectRef& ref) const { return repository.objects().path_of(ref.id); }

  Folder folder;
  base::Secret key;
  repository::Repository repository;
  repository::Manifest manifest;
};

}  // namespace tmb::test
