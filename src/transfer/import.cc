// SPDX-License-Identifier: MIT
#include "transfer/import.hh"

#include <algorithm>
#include <map>
#include <mutex>
#include <vector>

#include "base/error.hh"
#include "base/workers.hh"
#include "repository/objects_of.hh"
#include "transfer/ordered.hh"

namespace tmb::transfer {

using base::Error;
using base::ExitCode;
using repository::Manifest;
using repository::ObjectRef;
using repository::ObjectType;
using repository::Repository;

namespace {

struct Item {
  ObjectType type;
  ObjectRef ref;
};

class Import {
 public:
  Import(const archive::TmbSource& source, const Repository& repository)
      : source_(source), repository_(repository), as_they_are_(same_family()) {
    std::map<std::string, bool> seen;
    repository::for_each_object(source.manifest(), [&](ObjectType type, const ObjectRef& ref) {
      if (seen.emplace(ref.id, true).second) items_.push_back({type, ref});
    });
    outcome_.snapshot = source.manifest().id;
    outcome_.objects = items_.size();
  }

  ImportOutcome run(unsigned jobs, report::Reporter& reporter, const std::stop_token& stop) {
    refuse_secrets_in_the_open();
    if (!source_.manifest().scope.empty()) {
      throw Error(ExitCode::refused,
                  source_.file().name() + " holds the settings only: it is no snapshot of a database")
          .with_hint("bring the settings into TeslaMate's database with: teslamate-restore --scope settings");
    }
    if (as_they_are_) compare_with_namesake();
    reporter.begin_phase("importing", outcome_.snapshot, source_.manifest().plain_bytes(),
                         report::Unit::bytes);
    std::uint64_t done = 0;
    make_in_order(
        items_.size(), base::worker_count(jobs), stop,
        [&](std::size_t number, Bench& bench, std::string& /*piece*/) { take(items_[number], bench); },
        [&](std::size_t number, const std::string& /*piece*/) {
          reporter.progress(done += items_[number].ref.plain_bytes);
        });
    const std::string manifest = as_they_are_ && !source_.manifest().scheduled
                                     ? source_.file().manifest().bytes
                                     : repository_.make_manifest_file(new_manifest());
    repository_.objects().sync_directories();
    if (!outcome_.there_already) {
      repository_.publish_file(outcome_.snapshot, manifest);
      outcome_.new_bytes += manifest.size();
    }
    reporter.end_phase(report::counted(outcome_.objects, "object", "objects") + ", " +
                       report::grouped(outcome_.new_objects) + " of them new");
    return outcome_;
  }

 private:
  // The same repository under the same master key.
  bool same_family() const {
    const repository::Format& theirs = source_.format();
    const repository::Format& ours = repository_.format();
    return theirs.id == ours.id && theirs.encrypted == ours.encrypted && theirs.key_id == ours.key_id &&
           theirs.rekey_from.empty() && ours.rekey_from.empty();
  }

  void refuse_secrets_in_the_open() const {
    if (source_.manifest().files.empty() || repository_.encrypted()) return;
    throw Error(ExitCode::refused, source_.file().name() +
                                       " carries files with secrets, and the repository " +
                                       base::printable(repository_.path().string()) + " is not encrypted")
        .with_hint("teslamate-keys encrypt, then import again");
  }

  bool is_listed() const {
    const std::vector<std::string> ids = repository_.snapshot_ids();
    return std::ranges::find(ids, outcome_.snapshot) != ids.end();
  }

  // Whether a snapshot of that id is there already; another one's place is never taken.
  void compare_with_namesake() {
    if (!is_listed()) return;
    Manifest there = repository_.read_manifest(outcome_.snapshot);
    Manifest here = source_.manifest();
    there.scheduled = here.scheduled = false;  // an import has made it a person's
    if (repository::to_file(there) != repository::to_file(here)) throw another_one();
    outcome_.there_already = true;
  }

  Error another_one() const {
    return Error(ExitCode::refused, "there is another snapshot " + outcome_.snapshot + " in " +
                                        base::printable(repository_.path().string()))
        .with_hint("teslamate-snapshots show " + outcome_.snapshot);
  }

  // Whether the object stands in the repository, read to its last byte; `bench.text` is its good file.
  bool is_there(const Item& item, Bench& bench) const {
    const repository::ObjectStore& store = repository_.objects();
    try {
      if (store.read_file(item.ref.id) == bench.text) return true;
      // The same content may have been sealed or compressed another time.
      store.get(item.type, item.ref, bench.workspace, bench.content);
      return true;
    } catch (const Error& error) {
      if (error.code() != ExitCode::damaged && error.code() != ExitCode::local_io) throw;
      return false;
    }
  }

  void take(const Item& item, Bench& bench) {
    const repository::ObjectStore& store = repository_.objects();
    std::uint64_t new_bytes = 0;
    ObjectRef ref = item.ref;
    if (as_they_are_) {
      // Opened with the repository's own key: proof that it can be read there.
      source_.file().read_object(ref.id, bench.text);
      store.open_file(item.type, ref, bench.text, ref.id + " of " + source_.file().name(), bench.workspace,
                      bench.content);
      if (!is_there(item, bench)) {
        store.put_file(ref.id, bench.text);
        new_bytes = bench.text.size();
      }
    } else {
      source_.read(item.type, item.ref, bench.workspace, bench.content);
      const repository::StoredObject stored = store.put(item.type, bench.content, bench.workspace);
      ref = stored.ref;
      new_bytes = stored.new_bytes;
    }
    const std::lock_guard lock(mutex_);
    names_[item.ref.id] = ref.id;
    outcome_.object_ids.insert(ref.id);
    outcome_.new_bytes += new_bytes;
    outcome_.new_objects += new_bytes == 0 ? 0U : 1U;
  }

  // The source's, with the objects' names in this repository.
  Manifest new_manifest() {
    Manifest manifest = source_.manifest();
    manifest.scheduled = false;  // a person brought it: retention leaves it alone
    if (as_they_are_) return manifest;
    repository::for_each_object(manifest,
                                [&](ObjectType /*type*/, ObjectRef& ref) { ref.id = names_.at(ref.id); });
    manifest.repository_id = repository_.id();
    manifest.parent.clear();
    manifest.sequence = sequence();
    if (is_listed()) {
      const Manifest there = repository_.read_manifest(outcome_.snapshot);
      manifest.sequence = there.sequence;
      manifest.parent = there.parent;
      manifest.scheduled = there.scheduled;
      if (repository::to_file(there) != repository::to_file(manifest)) throw another_one();
      outcome_.there_already = true;
    }
    return manifest;
  }

  // Numbers ascend with the ids, as far as they can: the newest one's is what a machine remembers.
  std::uint64_t sequence() const {
    const std::vector<std::string> ids = repository_.snapshot_ids();
    const auto next = std::ranges::lower_bound(ids, outcome_.snapshot);
    if (next == ids.begin()) return 1;
    const std::uint64_t before = repository_.read_manifest(*std::prev(next)).sequence;
    return next == ids.end() ? before + 1 : before;
  }

  const archive::TmbSource& source_;
  const Repository& repository_;
  const bool as_they_are_;
  std::vector<Item> items_;
  std::mutex mutex_;                          // of what follows
  std::map<std::string, std::string> names_;  // of the objects: there and here
  ImportOutcome outcome_;
};

}  // namespace

ImportOutcome import_tmb(const archive::TmbSource& source, const Repository& repository, unsigned jobs,
                         report::Reporter& reporter, const std::stop_token& stop) {
  const base::FileLock lock = repository.lock_for_writing();
  return Import(source, repository).run(jobs, reporter, stop);
}

}  // namespace tmb::transfer
