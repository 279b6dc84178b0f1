// SPDX-License-Identifier: MIT
#include "archive/tmb_sink.hh"

#include "base/error.hh"
#include "crypto/sha256.hh"

namespace tmb::archive {

using repository::ObjectRef;
using repository::ObjectType;

namespace {

constexpr std::uint64_t max_json_bytes = 65536;

}  // namespace

TmbFamily family_of(const repository::Repository& repository) {
  return {base::read_file(repository.path() / "format.json", max_json_bytes), repository.read_key_files(),
          repository.id(), std::make_shared<const repository::KeyRing>(repository.keys())};
}

TmbFamily new_family() {
  repository::Format format;
  format.id = crypto::random_hex(16);
  return {repository::to_file(format, nullptr), {}, format.id, std::make_shared<const repository::KeyRing>()};
}

TmbSink::TmbSink(TmbFamily family, std::function<void(std::string_view)> out, base::Time time)
    : family_(std::move(family)), store_({}, family_.ring), writer_(std::move(out), time) {
  writer_.add("format.json", family_.format);
  for (const repository::KeyFile& key : family_.keys) {
    if (!key.bytes.empty()) writer_.add("keys/" + key.name, key.bytes);
  }
}

repository::Manifest TmbSink::read_manifest(const std::string& id) const {
  throw base::Error(base::ExitCode::not_found,
                    "there is no snapshot " + base::printable(id) + " in a new file");
}

repository::StoredObject TmbSink::put(ObjectType type, std::string_view content,
                                      repository::Workspace& workspace) const {
  repository::StoredObject stored{store_.name_of(type, content), 0, false};
  {
    const std::lock_guard lock(mutex_);
    // Equal content that another thread is still at work on is in the file before the manifest, or the whole
    // backup fails.
    if (!members_.emplace(stored.ref.id, 0).second) return stored;
  }
  std::string file;
  store_.make_file(type, content, workspace, file);
  stored.new_bytes = file.size();
  const std::lock_guard lock(mutex_);
  writer_.add(object_member(stored.ref.id), file);
  members_[stored.ref.id] = file.size();
  return stored;
}

bool TmbSink::looks_intact(const ObjectRef& ref) const { return stored_bytes(ref) != 0; }

std::uint64_t TmbSink::stored_bytes(const ObjectRef& ref) const {
  const std::lock_guard lock(mutex_);
  const auto found = members_.find(ref.id);
  return found == members_.end() ? 0 : found->second;
}

std::uint64_t TmbSink::publish(const repository::Manifest& manifest) const {
  std::string file = repository::to_file(manifest);
  if (encrypted()) {
    repository::Workspace workspace;
    std::string sealed;
    store_.make_named_file(ObjectType::manifest, manifest.id, file, workspace, sealed);
    file = std::move(sealed);
  }
  const std::lock_guard lock(mutex_);
  writer_.add(manifest_member(manifest.id), file);
  writer_.finish();
  return file.size();
}

}  // namespace tmb::archive
