// SPDX-License-Identifier: MIT
#include "repository/known_damage.hh"

#include <sys/stat.h>

#include <algorithm>

#include "base/error.hh"
#include "crypto/sha256.hh"
#include "repository/objects_of.hh"
#include "repository/owned_file.hh"
#include "repository/sealed_json.hh"

namespace tmb::repository {

using base::Error;
using base::printable;

namespace {

constexpr std::uint64_t max_bytes = std::uint64_t{64} << 20U;

std::string full_path(const base::Path& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

// A copy of a repository at another path has damage of its own.
base::Path list_of(const base::Path& state_dir, const base::Path& repository_path) {
  return state_dir /
         ("damaged-" + crypto::hex(crypto::sha256(full_path(repository_path))).substr(0, 16) + ".json");
}

bool is_folder(const base::Path& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

KnownDamage parse(const std::string& bytes, const std::string& what, const std::string& repository_id) {
  const Json json = open_sealed_json(bytes, what);
  return reading_json(what, [&] {
    KnownDamage out;
    if (json.at("repository") != repository_id) return out;
    out.objects = json.at("objects").get<std::set<std::string>>();
    out.snapshots = json.at("snapshots").get<std::set<std::string>>();
    return out;
  });
}

void write(const base::Path& state_dir, const Repository& repository, const KnownDamage& damage) {
  const Json json{{"path", printable(full_path(repository.path()))},
                  {"repository", repository.id()},
                  {"objects", damage.objects},
                  {"snapshots", damage.snapshots}};
  publish_owned(list_of(state_dir, repository.path()), seal_json(json), base::Overwrite::yes);
}

std::set<std::string> updated(std::set<std::string> known, const std::set<std::string>& found,
                              const std::set<std::string>& mended) {
  for (const std::string& id : mended) known.erase(id);
  known.insert(found.begin(), found.end());
  return known;
}

}  // namespace

bool KnownDamage::touches(const Manifest& manifest) const {
  bool out = snapshots.contains(manifest.id);
  if (objects.empty()) return out;
  for_each_object(manifest, [&](ObjectType /*type*/, const ObjectRef& ref) {
    if (objects.contains(ref.id)) out = true;
  });
  return out;
}

KnownDamage read_known_damage(const base::Path& state_dir, const base::Path& repository_path,
                              const std::string& repository_id) {
  const base::Path file = list_of(state_dir, repository_path);
  const std::string what = "the list of what is damaged, " + printable(file.string()) + ",";
  try {
    const auto bytes = base::read_file_if_there(file, max_bytes);
    return bytes ? parse(*bytes, what, repository_id) : KnownDamage{};
  } catch (Error& error) {
    throw error.with_hint("teslamate-verify --read-data makes it anew");
  }
}

KnownDamage read_known_damage(const base::Path& state_dir, const Repository& repository) {
  return read_known_damage(state_dir, repository.path(), repository.id());
}

bool note_damage(const base::Path& state_dir, const Repository& repository, const KnownDamage& found,
                 const KnownDamage& mended) {
  if (!is_folder(state_dir)) return false;
  // Read again now: another run may have added to it meanwhile.
  const KnownDamage known = read_known_damage(state_dir, repository);
  const KnownDamage now{updated(known.objects, found.objects, mended.objects),
                        updated(known.snapshots, found.snapshots, mended.snapshots)};
  if (now.objects != known.objects || now.snapshots != known.snapshots) write(state_dir, repository, now);
  return true;
}

bool replace_known_damage(const base::Path& state_dir, const Repository& repository,
                          const KnownDamage& found) {
  if (!is_folder(state_dir)) return false;
  write(state_dir, repository, found);
  return true;
}

void forget_unnamed_damage(const base::Path& state_dir, const Repository& repository) {
  KnownDamage gone = read_known_damage(state_dir, repository);
  if (gone.empty()) return;
  for (const std::string& id : repository.snapshot_ids()) {
    gone.snapshots.erase(id);
    for_each_object(repository.read_manifest(id),
                    [&](ObjectType /*type*/, const ObjectRef& ref) { gone.objects.erase(ref.id); });
  }
  note_damage(state_dir, repository, {}, gone);
}

}  // namespace tmb::repository
