// SPDX-License-Identifier: MIT
#include "verify/verify.hh"

#include <algorithm>
#include <set>

#include "base/error.hh"
#include "repository/objects_of.hh"
#include "repository/tags.hh"
#include "verify/folders.hh"
#include "verify/objects.hh"

namespace tmb::verify {

using base::Error;
using base::ExitCode;
using repository::Manifest;
using repository::ObjectType;

namespace {

struct OpenedSnapshot {
  std::string id;
  std::optional<Manifest> manifest;  // nullopt: its damage is in the report
};

std::string manifest_file(const std::string& id) { return "snapshots/" + id + ".json"; }

std::vector<OpenedSnapshot> open_manifests(const repository::Repository& repository,
                                           const std::vector<std::string>& ids, Report& report,
                                           const std::stop_token& stop) {
  std::vector<OpenedSnapshot> out;
  for (const std::string& id : ids) {
    if (stop.stop_requested()) throw Error(ExitCode::interrupted, "interrupted while reading manifests");
    OpenedSnapshot snapshot{id, std::nullopt};
    try {
      snapshot.manifest = repository.read_manifest(id);
    } catch (const Error& error) {
      if (error.code() != ExitCode::damaged && error.code() != ExitCode::local_io) throw;
      report.damage.push_back({error.code(), manifest_file(id), error.message()});
    }
    out.push_back(std::move(snapshot));
  }
  return out;
}

ObjectStates named_objects(const std::vector<OpenedSnapshot>& snapshots) {
  ObjectStates out;
  for (const OpenedSnapshot& snapshot : snapshots) {
    if (!snapshot.manifest) continue;
    repository::for_each_object(*snapshot.manifest, [&](ObjectType type, const repository::ObjectRef& ref) {
      out[{type, ref}];
    });
  }
  return out;
}

// Damage in the objects, or rows that are not as many as the manifest says.
bool is_damaged(const repository::Chunk& chunk, const ObjectStates& objects, bool& miscounted) {
  std::uint64_t lines = 0;
  bool counted = true;
  for (const auto& ref : chunk.objects) {
    const ObjectState& state = objects.at({ObjectType::rows, ref});
    if (state.damage) return true;
    counted = counted && state.lines.has_value();
    lines += state.lines.value_or(0);
  }
  miscounted = counted && lines != chunk.rows;
  return miscounted;
}

void judge_table(const repository::TableData& table, const ObjectStates& objects, SnapshotReport& snapshot,
                 Report& report) {
  DamagedTable out{table.schema + "." + table.name, table.rows, 0};
  bool damaged = false;
  bool any_miscounted = false;
  std::uint64_t rows = 0;
  for (const auto& chunk : table.chunks) {
    rows += chunk.rows;
    bool miscounted = false;
    if (is_damaged(chunk, objects, miscounted)) {
      damaged = true;
      out.rows_damaged += chunk.rows;
    }
    any_miscounted = any_miscounted || miscounted;
  }
  if (any_miscounted || rows != table.rows) {
    damaged = snapshot.miscounted = true;
    report.damage.push_back({ExitCode::damaged, manifest_file(snapshot.id),
                             "table " + out.name + " does not have as many rows as the manifest says"});
  }
  if (damaged) snapshot.damaged_tables.push_back(std::move(out));
}

SnapshotReport judge(const OpenedSnapshot& opened, const ObjectStates& objects, Report& report) {
  SnapshotReport out;
  out.id = opened.id;
  if (!opened.manifest) return out;
  const Manifest& manifest = *opened.manifest;
  out.manifest_readable = true;
  out.tables = manifest.tables.size();
  out.rows = manifest.rows();
  out.schema_damaged = objects.at({ObjectType::schema, manifest.schema}).damage.has_value();
  for (const auto& table : manifest.tables) judge_table(table, objects, out, report);
  for (const auto& piece : manifest.dump) {
    if (objects.at({ObjectType::schema, piece}).damage) out.schema_damaged = true;
  }
  for (const auto& file : manifest.files) {
    const bool damaged = std::ranges::any_of(file.objects, [&](const repository::ObjectRef& ref) {
      return objects.at({ObjectType::file, ref}).damage.has_value();
    });
    if (damaged) out.damaged_files.push_back(base::printable(file.path));
  }
  out.complete = !out.schema_damaged && out.damaged_tables.empty() && out.damaged_files.empty();
  return out;
}

// What is to be remembered, and of what was, what no longer is. `all`: no other snapshot names anything.
void note_damage(const ObjectStates& objects, const repository::KnownDamage& known, bool all,
                 Report& report) {
  std::set<std::string> named;
  for (const auto& [object, state] : objects) {
    named.insert(object.ref.id);
    if (state.damage) report.damaged.objects.insert(object.ref.id);
  }
  std::set<std::string> complete;
  std::set<std::string> listed;
  for (const SnapshotReport& snapshot : report.snapshots) {
    listed.insert(snapshot.id);
    if (snapshot.complete) complete.insert(snapshot.id);
    if (snapshot.miscounted) report.damaged.snapshots.insert(snapshot.id);
    all = all && snapshot.manifest_readable;
  }
  for (const std::string& id : known.objects) {
    if (named.contains(id) ? !report.damaged.objects.contains(id) : all) report.mended.objects.insert(id);
  }
  for (const std::string& id : known.snapshots) {
    if (listed.contains(id) ? complete.contains(id) : all) report.mended.snapshots.insert(id);
  }
}

// What was found damaged before is read again, also by a verification that reads little: Options::known with
// all that snapshots name of which more than an object is known.
Options with_suspects(Options options, const std::vector<OpenedSnapshot>& snapshots) {
  for (const OpenedSnapshot& snapshot : snapshots) {
    if (!snapshot.manifest || !options.known.snapshots.contains(snapshot.id)) continue;
    repository::for_each_object(
        *snapshot.manifest,
        [&](ObjectType /*type*/, const repository::ObjectRef& ref) { options.known.objects.insert(ref.id); });
  }
  return options;
}

void count_objects(const ObjectStates& objects, const Folders& folders, bool all_snapshots, Report& report) {
  std::set<std::string> ids;
  for (const auto& [object, state] : objects) {
    if (state.damage) report.damage.push_back(*state.damage);
    if (!ids.insert(object.ref.id).second) continue;
    ++report.objects;
    report.plain_bytes += object.ref.plain_bytes;
    const auto file = folders.objects.find(object.ref.id);
    if (file != folders.objects.end()) report.stored_bytes += file->second;
  }
  // An unreadable manifest names objects, too: nothing can be called unused then.
  const bool all_read = std::ranges::all_of(report.snapshots, &SnapshotReport::manifest_readable);
  if (!all_snapshots || !all_read) return;
  for (const auto& [id, bytes] : folders.objects) {
    if (ids.contains(id)) continue;
    ++report.orphans;
    report.orphan_bytes += bytes;
  }
}

void add_damage(const std::string& file, std::string why, ExitCode code, Report& report) {
  // Messages begin with the file that they are about.
  if (why.starts_with(file + " ")) why.erase(0, file.size() + 1);
  report.damage.push_back({code, file, std::move(why)});
}

// What is small and not named by a manifest: key slots and tags.
void check_beside_snapshots(const repository::Repository& repository,
                            const std::vector<OpenedSnapshot>& snapshots, Report& report) {
  for (auto& damaged : repository::read_slots(repository.read_key_files()).damaged) {
    if (damaged.code == ExitCode::unsupported) continue;  // a newer program's
    add_damage("keys/" + damaged.name, std::move(damaged.why), damaged.code, report);
  }
  for (const OpenedSnapshot& snapshot : snapshots) {
    try {
      if (snapshot.manifest) static_cast<void>(repository::read_tag(repository, *snapshot.manifest));
    } catch (const Error& error) {
      add_damage("tags/" + snapshot.id + ".json", error.message(), error.code(), report);
    }
  }
}

}  // namespace

bool Options::reads(const std::string& object_id) const {
  if (known.objects.contains(object_id)) return true;
  if (read_data || parts.empty()) return read_data;
  const auto part = static_cast<unsigned>(std::stoul(object_id.substr(0, 2), nullptr, 16));
  return std::ranges::find(parts, part) != parts.end();
}

std::size_t Report::complete_snapshots() const {
  return static_cast<std::size_t>(std::ranges::count(snapshots, true, &SnapshotReport::complete));
}

Report verify(const repository::Repository& repository, const Options& options, report::Reporter& reporter,
              const std::stop_token& stop) {
  const base::FileLock lock = repository.lock_for_reading();
  Report report;
  // The folders first: of a backup that ends meanwhile, the objects are then never called unused.
  const Folders folders = list_folders(repository.path());
  report.strays = folders.strays;
  const bool all = options.snapshots.empty();
  const std::vector<OpenedSnapshot> snapshots =
      open_manifests(repository, all ? repository.snapshot_ids() : options.snapshots, report, stop);
  ObjectStates objects = named_objects(snapshots);
  check_objects(repository, objects, with_suspects(options, snapshots), reporter, stop);
  for (const OpenedSnapshot& snapshot : snapshots)
    report.snapshots.push_back(judge(snapshot, objects, report));
  note_damage(objects, options.known, all, report);
  check_beside_snapshots(repository, snapshots, report);
  count_objects(objects, folders, all, report);
  std::ranges::sort(report.damage, {}, &Damage::file);
  return report;
}

}  // namespace tmb::verify
