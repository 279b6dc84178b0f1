// SPDX-License-Identifier: MIT
#include "verify/usage.hh"

#include <set>
#include <unordered_map>

#include "repository/objects_of.hh"

namespace tmb::verify {

namespace {

struct Holder {
  std::uint64_t bytes = 0;
  std::size_t first = 0;  // the oldest snapshot that names the object
  std::size_t count = 0;
};

std::set<std::string> object_ids(const repository::Manifest& manifest) {
  std::set<std::string> out;
  repository::for_each_object(manifest, [&](repository::ObjectType /*type*/,
                                            const repository::ObjectRef& ref) { out.insert(ref.id); });
  return out;
}

repository::SnapshotTag tag_of(const repository::Repository& repository,
                               const repository::Manifest& manifest) {
  try {
    return repository::read_tag(repository, manifest);
  } catch (const base::Error& error) {
    if (error.code() != base::ExitCode::damaged) throw;
    return {"its tag is damaged: tag it again", false, manifest.scheduled};
  }
}

SnapshotUsage open(const repository::Repository& repository, const std::string& id) {
  SnapshotUsage out;
  out.id = id;
  try {
    out.manifest = repository.read_manifest(id);
    out.tag = tag_of(repository, *out.manifest);
  } catch (const base::Error& error) {
    if (error.code() != base::ExitCode::damaged && error.code() != base::ExitCode::local_io) throw;
    out.damage = error.message();
  }
  return out;
}

}  // namespace

std::vector<SnapshotUsage> measure_usage(const repository::Repository& repository) {
  const base::FileLock lock = repository.lock_for_reading();
  std::vector<SnapshotUsage> out;
  std::vector<std::set<std::string>> ids;
  std::unordered_map<std::string, Holder> holders;
  for (const std::string& id : repository.snapshot_ids()) {
    out.push_back(open(repository, id));
    ids.push_back(out.back().manifest ? object_ids(*out.back().manifest) : std::set<std::string>{});
    for (const std::string& object : ids.back()) {
      const auto [holder, added] = holders.try_emplace(object);
      if (added) holder->second = {repository.objects().stored_bytes({object, 0}), out.size() - 1, 0};
      ++holder->second.count;
    }
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    for (const std::string& object : ids[i]) {
      const Holder& holder = holders.at(object);
      out[i].stored_bytes += holder.bytes;
      if (holder.first == i) out[i].new_bytes += holder.bytes;
      if (holder.count == 1) out[i].own_bytes += holder.bytes;
    }
  }
  return out;
}

}  // namespace tmb::verify
