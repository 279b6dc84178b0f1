// SPDX-License-Identifier: MIT
#include "repository/tags.hh"

#include "base/error.hh"
#include "repository/owned_file.hh"
#include "repository/sealed_json.hh"

namespace tmb::repository {

using base::Error;
using base::ExitCode;

namespace {

constexpr std::uint64_t max_bytes = 65536;

base::Path tag_path(const Repository& repository, const std::string& id) {
  return repository.path() / "tags" / (id + ".json");
}

}  // namespace

SnapshotTag read_tag(const Repository& repository, const Manifest& manifest) {
  const base::Path path = tag_path(repository, manifest.id);
  const auto bytes = base::read_file_if_there(path, max_bytes);
  if (!bytes) return {manifest.tag, false, manifest.scheduled};
  const std::string what = base::printable(path.string());
  const Json json = open_sealed_json(*bytes, what);
  return reading_json(what, [&] {
    if (json.at("snapshot") != manifest.id || json.at("repository") != repository.id())
      throw Error(ExitCode::damaged, what + " belongs to another snapshot");
    return SnapshotTag{json.at("tag"), json.at("pinned"), json.at("scheduled")};
  });
}

void write_tag(const Repository& repository, const std::string& id, const SnapshotTag& tag) {
  const base::FileLock lock = repository.lock_for_reading();
  if (repository.manifest_bytes(id) == 0)
    throw Error(ExitCode::not_found, "there is no snapshot " + base::printable(id));
  make_owned_directory(repository.path() / "tags");
  publish_owned(tag_path(repository, id),
                seal_json({{"snapshot", id},
                           {"repository", repository.id()},
                           {"tag", tag.text},
                           {"pinned", tag.pinned},
                           {"scheduled", tag.scheduled}}),
                base::Overwrite::yes);
}

}  // namespace tmb::repository
