// SPDX-License-Identifier: MIT
#include "retention/survey.hh"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "base/error.hh"
#include "repository/objects_of.hh"
#include "repository/tags.hh"

namespace tmb::retention {

namespace {

using Index = std::unordered_map<std::string_view, std::uint32_t>;

// Which objects the manifest names, each once; the first one that is not there is said in `damage`.
std::vector<std::uint32_t> named_by(const repository::Manifest& manifest, const Index& index,
                                    std::string& damage) {
  std::vector<std::uint32_t> out;
  const auto add = [&](repository::ObjectType, const repository::ObjectRef& ref) {
    const auto found = index.find(ref.id);
    if (found != index.end()) {
      out.push_back(found->second);
    } else if (damage.empty()) {
      damage = "object " + ref.id.substr(0, 12) + "… is missing";
    }
  };
  repository::for_each_object(manifest, add);
  std::ranges::sort(out);
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace

Survey survey(const repository::Repository& repository, const repository::Removal& removal,
              const repository::KnownDamage& known, report::Reporter& reporter) {
  const std::vector<std::string> ids = repository.snapshot_ids();
  reporter.begin_phase("reading", "manifests", ids.size(), report::Unit::items);
  Survey out;
  for (auto& [id, bytes] : removal.list_objects()) out.objects.push_back({id, bytes, 0});
  Index index;
  index.reserve(out.objects.size());
  for (std::size_t i = 0; i < out.objects.size(); ++i)
    index.emplace(out.objects[i].id, static_cast<std::uint32_t>(i));

  for (const std::string& id : ids) {
    repository::Manifest manifest;
    try {
      manifest = repository.read_manifest(id);
    } catch (base::Error& error) {
      throw error.with_hint("look at it with teslamate-verify; to give it up: teslamate-snapshots forget " +
                            id);
    }
    const repository::SnapshotTag tag = repository::read_tag(repository, manifest);
    Candidate candidate{id, manifest.time, tag.scheduled, tag.pinned, tag.text, ""};
    if (known.touches(manifest)) candidate.damage = "a verification found it so";
    out.naming.push_back(named_by(manifest, index, candidate.damage));
    for (const std::uint32_t object : out.naming.back()) ++out.objects[object].holders;
    out.snapshots.push_back(std::move(candidate));
    reporter.progress(out.snapshots.size());
  }
  reporter.end_phase(report::counted(out.snapshots.size(), "snapshot", "snapshots") + ", " +
                     report::counted(out.objects.size(), "object", "objects"));
  return out;
}

}  // namespace tmb::retention
