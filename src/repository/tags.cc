// SPDX-License-Identifier: MIT
#include "repository/tags.hh"

#include <algorithm>

#include "base/error.hh"
#include "repository/owned_file.hh"
#include "repository/sealed_json.hh"

namespace tmb::repository {

using base::Error;
using base::ExitCode;

namespace {

constexpr std::uint64_t max_bytes = 65536;

std::string to_file(const Repository& repository, const std::string& id, const SnapshotTag& tag) {
  std::string json = seal_json({{"snapshot", id},
                                {"repository", repository.id()},
                                {"tag", tag.text},
                                {"pinned", tag.pinned},
                                {"scheduled", tag.scheduled},
                                {"changed", tag.changed}});
  if (!repository.encrypted()) return json;
  Workspace workspace;
  std::string file;
  repository.objects().make_named_file(ObjectType::tag, id, json, workspace, file);
  return file;
}

SnapshotTag from_file(const Repository& repository, const std::string& id, const std::string& bytes) {
  const std::string what = base::printable(tag_path(repository, id).string());
  std::string opened;
  const std::string* text = &bytes;
  if (is_object_file(bytes)) {
    try {
      Workspace workspace;
      repository.objects().open_named_file(ObjectType::tag, id, bytes, workspace, opened);
    } catch (Error& error) {
      throw error.with_context(what);
    }
    text = &opened;
  } else if (repository.encrypted() && !repository.keys().plain_too) {
    throw Error(ExitCode::damaged, what + " is not sealed, as everything in this repository is");
  }
  const Json json = open_sealed_json(*text, what);
  return reading_json(what, [&] {
    if (json.at("snapshot") != id || json.at("repository") != repository.id())
      throw Error(ExitCode::damaged, what + " belongs to another snapshot");
    return SnapshotTag{json.at("tag"), json.at("pinned"), json.at("scheduled"), json.at("changed")};
  });
}

std::optional<SnapshotTag> read_file(const Repository& repository, const std::string& id) {
  const auto bytes = base::read_file_if_there(tag_path(repository, id), max_bytes);
  return bytes ? std::optional(from_file(repository, id, *bytes)) : std::nullopt;
}

}  // namespace

base::Path tag_path(const Repository& repository, const std::string& id) {
  return repository.path() / "tags" / (id + ".json");
}

SnapshotTag read_tag(const Repository& repository, const Manifest& manifest) {
  const auto tag = read_file(repository, manifest.id);
  return tag ? *tag : SnapshotTag{manifest.tag, false, manifest.scheduled};
}

void write_tag(const Repository& repository, const std::string& id, SnapshotTag tag, base::Time now) {
  const base::FileLock lock = repository.lock_for_reading();
  if (repository.manifest_bytes(id) == 0)
    throw Error(ExitCode::not_found, "there is no snapshot " + base::printable(id));
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count();
  tag.changed = std::max(tag.changed + 1, static_cast<std::uint64_t>(std::max<std::int64_t>(seconds, 0)));
  make_owned_directory(repository.path() / "tags");
  publish_owned(tag_path(repository, id), to_file(repository, id, tag), base::Overwrite::yes);
}

std::optional<std::string> reseal_tag(const Repository& repository, const std::string& id) {
  const auto tag = read_file(repository, id);
  return tag ? std::optional(to_file(repository, id, *tag)) : std::nullopt;
}

TagChanges tag_changes(const Repository& repository, const TagChanges& known) {
  TagChanges out;
  for (const std::string& id : repository.snapshot_ids()) {
    try {
      if (const auto tag = read_file(repository, id)) out[id] = tag->changed;
    } catch (const Error& error) {
      if (error.code() != ExitCode::damaged) throw;  // reported where the tag is used
      if (const auto before = known.find(id); before != known.end()) out.insert(*before);
    }
  }
  return out;
}

}  // namespace tmb::repository
