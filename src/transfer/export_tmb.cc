// SPDX-License-Identifier: MIT
#include <chrono>
#include <set>

#include "archive/tmb.hh"
#include "base/error.hh"
#include "base/file.hh"
#include "base/workers.hh"
#include "repository/objects_of.hh"
#include "transfer/export.hh"
#include "transfer/ordered.hh"

namespace tmb::transfer {

using archive::NamedBytes;
using archive::TmbWriter;
using repository::ObjectRef;
using repository::ObjectType;

namespace {

constexpr std::uint64_t max_json_bytes = 65536;

struct StoredObject {
  ObjectType type;
  const ObjectRef* ref;
};

// Each once, in the order in which the manifest names them.
std::vector<StoredObject> distinct_objects(const repository::Manifest& manifest) {
  std::vector<StoredObject> out;
  std::set<std::string> seen;
  repository::for_each_object(manifest, [&](ObjectType type, const ObjectRef& ref) {
    if (seen.insert(ref.id).second) out.push_back({type, &ref});
  });
  return out;
}

// What stands before the objects.
std::vector<NamedBytes> opening_files(const repository::Repository& repository) {
  std::vector<NamedBytes> out{
      {"format.json", base::read_file(repository.path() / "format.json", max_json_bytes)}};
  for (const repository::KeyFile& key : repository.read_key_files()) {
    if (!key.bytes.empty()) out.push_back({"keys/" + key.name, key.bytes});
  }
  return out;
}

}  // namespace

ExportOutcome export_tmb(const ExportOptions& options, const repository::Repository& repository,
                         const repository::Manifest& snapshot, report::Reporter& reporter,
                         const std::stop_token& stop) {
  const auto started = std::chrono::steady_clock::now();
  Output output(options.destination, true);
  const std::vector<NamedBytes> opening = opening_files(repository);
  const std::vector<StoredObject> objects = distinct_objects(snapshot);

  reporter.begin_phase("writing", output.name(), snapshot.plain_bytes(), report::Unit::bytes);
  const auto write_object = [&](const StoredObject& object, Bench& bench, TmbWriter& writer) {
    const std::string file = repository.objects().read_file(object.ref->id);
    // Read through before it leaves: a copy of damage would only be found when it is needed.
    repository.objects().open_file(object.type, *object.ref, file,
                                   repository.objects().path_of(object.ref->id).string(), bench.workspace,
                                   bench.content);
    writer.add(archive::object_member(object.ref->id), file);
  };
  const auto make = [&](std::size_t number, Bench& bench, std::string& out) {
    bench.text.clear();
    TmbWriter writer([&](std::string_view bytes) { bench.text.append(bytes); }, snapshot.time);
    if (number < opening.size()) {
      writer.add(opening[number].name, opening[number].bytes);
    } else if (number < opening.size() + objects.size()) {
      write_object(objects[number - opening.size()], bench, writer);
    } else {
      writer.add(archive::manifest_member(snapshot.id), repository.read_manifest_file(snapshot.id));
      writer.finish();
    }
    out.clear();
    archive::append_compressed(options.kind.compression, bench.text, out);
  };
  std::uint64_t done = 0;
  make_in_order(opening.size() + objects.size() + 1, base::worker_count(options.jobs), stop, make,
                [&](std::size_t number, const std::string& bytes) {
                  output.write(bytes);
                  if (number >= opening.size() && number < opening.size() + objects.size())
                    done += objects[number - opening.size()].ref->plain_bytes;
                  reporter.progress(done);
                });
  output.commit();
  reporter.end_phase(report::byte_size(output.size()));
  return {output.size(), snapshot.plain_bytes(), snapshot.rows(),
          std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count()};
}

}  // namespace tmb::transfer
