// SPDX-License-Identifier: MIT
#include "repository/rekey.hh"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <set>

#include "base/error.hh"
#include "base/fd.hh"
#include "crypto/seal.hh"
#include "repository/last_seen.hh"
#include "repository/object_file.hh"
#include "repository/objects_of.hh"
#include "repository/owned_file.hh"
#include "repository/removal.hh"
#include "repository/tags.hh"

namespace tmb::repository {

using base::Error;
using base::ExitCode;
using base::printable;

namespace {

using Renamed = std::map<std::pair<ObjectType, std::string>, std::string>;  // old names to new ones

std::vector<std::string> newest_first(const Repository& repository) {
  std::vector<std::string> ids = repository.snapshot_ids();
  std::ranges::reverse(ids);
  return ids;
}

void replace_format(const Repository& repository, Format format, const RepositoryKeys& keys) {
  ++format.generation;
  publish_owned(repository.path() / "format.json", to_file(format, &keys), base::Overwrite::yes);
}

void unlink_key_file(const Repository& repository, const std::string& name) {
  const base::Path path = repository.path() / "keys" / name;
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    throw base::system_error(errno, "cannot remove " + printable(path.string()));
}

// Slots of other master keys than `key_id` open nothing any more.
void remove_other_slots(const Repository& repository, const std::string& key_id) {
  for (const KeySlot& slot : read_slots(repository.read_key_files()).slots) {
    if (slot.key_id != key_id) unlink_key_file(repository, slot.file_name());
  }
  base::sync_directory(repository.path() / "keys");
}

class Resealing {
 public:
  Resealing(const Repository& repository, RekeyProgress progress, std::stop_token stop)
      : repository_(repository), progress_(std::move(progress)), stop_(std::move(stop)) {}

  void run() {
    // All manifests first: one that cannot be read stops the change before anything is removed.
    std::vector<Manifest> manifests;
    for (const std::string& id : newest_first(repository_)) {
      manifests.push_back(repository_.read_manifest(id));
      static_cast<void>(read_tag(repository_, manifests.back()));
    }
    for (const Manifest& m : manifests) total_ += m.plain_bytes();
    for (Manifest& m : manifests) {
      reseal(m);
      ++snapshots;
    }
  }

  std::uint64_t snapshots = 0;
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;

 private:
  bool is_sealed_with_todays_key(const std::string& snapshot) const {
    const KeyRing only_today{repository_.keys().current, {}, false, false};
    try {
      Manifest manifest = open_manifest_file(repository_.read_manifest_file(snapshot), snapshot,
                                             repository_.id(), std::make_shared<const KeyRing>(only_today));
      // A snapshot that was taken since the cut may have taken over objects of one that waits.
      bool all = true;
      for_each_object(manifest, [&](ObjectType, const ObjectRef& ref) { all = all && has_todays_key(ref); });
      return all;
    } catch (const Error& error) {
      if (error.code() != ExitCode::damaged) throw;
      return false;
    }
  }

  // As its header says; it was written by somebody who had the key, or is found to be damaged when it is
  // read.
  bool has_todays_key(const ObjectRef& ref) const {
    const base::UniqueFd fd(::open(repository_.objects().path_of(ref.id).c_str(),
                                   O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    std::array<char, object_file::header_bytes> head{};
    if (!fd || ::read(fd.get(), head.data(), head.size()) != static_cast<ssize_t>(head.size())) return false;
    object_file::Header header;
    return object_file::parse_header({head.data(), head.size()}, header) == nullptr && header.sealed &&
           repository_.keys().current->key_id.starts_with(object_file::key_id_beginning(header.key_tag));
  }

  void reseal(Manifest& manifest) {
    if (is_sealed_with_todays_key(manifest.id)) {
      done_ += manifest.plain_bytes();
      return;
    }
    for_each_object(manifest, [&](ObjectType type, ObjectRef& ref) { ref.id = renamed(type, ref); });
    repository_.objects().sync_directories();
    // Before the manifest: a snapshot that is sealed anew is not looked at again after a cut.
    if (const auto tag = reseal_tag(repository_, manifest.id))
      publish_owned(tag_path(repository_, manifest.id), *tag, base::Overwrite::yes);
    publish_owned(repository_.path() / "snapshots" / (manifest.id + ".json"),
                  repository_.make_manifest_file(manifest), base::Overwrite::yes, 0400);
  }

  std::string renamed(ObjectType type, const ObjectRef& ref) {
    if (stop_.stop_requested()) {
      throw Error(ExitCode::interrupted, "interrupted")
          .with_state("the new key opens the repository; every snapshot is there, sealed anew or not yet")
          .with_hint("teslamate-keys finish, or the next backup, does the rest");
    }
    auto& name = renamed_[{type, ref.id}];
    if (name.empty()) {
      repository_.objects().get(type, ref, workspace_, content_);
      const StoredObject stored = repository_.objects().put(type, content_, workspace_);
      name = stored.ref.id;
      if (stored.new_bytes > 0) ++objects;
      bytes += stored.new_bytes;
    }
    done_ += ref.plain_bytes;
    if (progress_) progress_(done_, total_);
    return name;
  }

  const Repository& repository_;
  RekeyProgress progress_;
  std::stop_token stop_;
  Renamed renamed_;
  Workspace workspace_;
  std::string content_;
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
};

// Nothing is removed before every manifest is there in its new form and names objects that are there.
void remove_unused(const Repository& repository, const Removal& removal) {
  std::set<std::string> used;
  for (const std::string& id : repository.snapshot_ids()) {
    for_each_object(repository.read_manifest(id),
                    [&](ObjectType, const ObjectRef& ref) { used.insert(ref.id); });
  }
  const std::map<std::string, std::uint64_t> there = removal.list_objects();
  for (const std::string& id : used) {
    if (!there.contains(id))
      throw Error(ExitCode::damaged, "object " + id + " is missing; nothing was removed");
  }
  std::vector<std::string> unused;
  for (const auto& [id, bytes] : there) {
    if (!used.contains(id)) unused.push_back(id);
  }
  removal.remove_objects(unused);
}

// For a while everything is there twice.
void require_space(const Repository& repository, const Removal& removal) {
  std::uint64_t needed = std::uint64_t{16} << 20U;
  for (const auto& [id, bytes] : removal.list_objects()) needed += bytes + crypto::seal_overhead;
  const std::uint64_t free = base::free_space(repository.path());
  if (free >= needed) return;
  throw Error(ExitCode::refused,
              "everything is written a second time before the first goes: " + std::to_string(needed >> 20U) +
                  " MiB are needed beside the repository, " + std::to_string(free >> 20U) + " MiB are free")
      .with_hint("free some space, or remove snapshots with teslamate-snapshots forget and prune");
}

// Before anything is written: can all of it be read? So a damaged object is found while the old key rules.
void require_all_readable(const Repository& repository, const std::stop_token& stop) {
  Workspace workspace;
  std::string content;
  std::set<std::pair<ObjectType, std::string>> seen;
  for (const std::string& id : newest_first(repository)) {
    const Manifest manifest = repository.read_manifest(id);
    static_cast<void>(read_tag(repository, manifest));
    for_each_object(manifest, [&](ObjectType type, const ObjectRef& ref) {
      if (stop.stop_requested()) throw Error(ExitCode::interrupted, "interrupted; nothing was changed");
      if (seen.insert({type, ref.id}).second) repository.objects().get(type, ref, workspace, content);
    });
  }
}

Rekeyed finish(Repository repository, const Removal& removal, const RekeyProgress& progress,
               const std::stop_token& stop) {
  Resealing work(repository, progress, stop);
  work.run();
  remove_unused(repository, removal);
  record_removed(repository, {});  // authenticated by the new key from here on
  const RepositoryKeys& keys = *repository.keys().current;
  Format format = repository.format();
  format.rekey_from.clear();
  replace_format(repository, format, keys);
  remove_other_slots(repository, keys.key_id);
  ++format.generation;
  KeyRing ring = repository.keys();
  ring.rekeying = false;
  ring.plain_too = false;
  return {Repository::with_keys(repository.path(), format, std::move(ring)), work.snapshots, work.objects,
          work.bytes};
}

}  // namespace

Rekeyed rekey(const Repository& repository, const NewKey& key, const RekeyProgress& progress,
              const std::stop_token& stop) {
  const Removal removal(repository, Removal::Access::remove);
  // What another run may have done before we had the lock.
  const Format now = Repository::read_format(repository.path());
  if (!now.rekey_from.empty() || now.key_id != repository.format().key_id) {
    throw Error(ExitCode::refused, "the key of this repository is being changed already")
        .with_hint("teslamate-keys finish");
  }
  require_space(repository, removal);
  require_all_readable(repository, stop);

  make_owned_directory(repository.path() / "keys");
  remove_other_slots(repository, now.key_id);  // of a run that was cut off before step 2
  const auto keys = std::make_shared<const RepositoryKeys>(crypto::Key::random(), repository.id());
  const KeySlot slot = make_slot(*keys, key.secret, key.label, key.now, key.cost);
  const base::Path folder = repository.path() / "keys";
  publish_owned(folder / slot.file_name(), to_file(slot), base::Overwrite::no, 0400);
  KeyRing ring;
  ring.current = keys;
  ring.earlier = repository.keys().earlier;
  ring.rekeying = true;
  ring.plain_too = !repository.encrypted();
  if (const auto& before = repository.keys().current) {
    publish_owned(folder / ("previous-" + before->key_id + ".json"), seal_earlier(*keys, *before),
                  base::Overwrite::yes, 0400);
    ring.earlier.insert(ring.earlier.begin(), before);
  }
  Format format = now;
  format.encrypted = true;
  format.key_id = keys->key_id;
  format.rekey_from = repository.encrypted() ? now.key_id : "plain";
  replace_format(repository, format, *keys);
  ++format.generation;
  return finish(Repository::with_keys(repository.path(), format, std::move(ring)), removal, progress, stop);
}

Rekeyed finish_rekey(const Repository& repository, const RekeyProgress& progress,
                     const std::stop_token& stop) {
  if (repository.format().rekey_from.empty()) return {repository.share(), 0, 0, 0};
  const Removal removal(repository, Removal::Access::remove);
  const Format now = Repository::read_format(repository.path());
  if (now.generation != repository.format().generation)
    throw Error(ExitCode::locked, "another run has just changed the key of this repository")
        .with_hint("run it again");
  return finish(repository.share(), removal, progress, stop);
}

}  // namespace tmb::repository
