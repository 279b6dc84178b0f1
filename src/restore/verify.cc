// SPDX-License-Identifier: MIT
#include "restore/verify.hh"

#include <algorithm>
#include <atomic>
#include <set>
#include <string>
#include <vector>

#include "base/error.hh"
#include "base/workers.hh"

namespace tmb::restore {

using repository::ObjectRef;
using repository::ObjectType;

namespace {

struct Item {
  ObjectType type;
  const ObjectRef* ref;
  const repository::TableData* table;  // null: the schema
};

// Each object once, however many tables name it; the longest first, so that no worker is left with one at the
// end.
std::vector<Item> distinct_objects(const repository::Manifest& manifest) {
  std::vector<Item> out{{ObjectType::schema, &manifest.schema, nullptr}};
  std::set<std::string> seen;
  for (const ObjectRef& ref : manifest.dump) {
    if (seen.insert(ref.id).second) out.push_back({ObjectType::schema, &ref, nullptr});
  }
  for (const repository::TableData& table : manifest.tables) {
    for (const repository::Chunk& chunk : table.chunks) {
      for (const ObjectRef& ref : chunk.objects) {
        if (seen.insert(ref.id).second) out.push_back({ObjectType::rows, &ref, &table});
      }
    }
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const Item& a, const Item& b) { return a.ref->plain_bytes > b.ref->plain_bytes; });
  return out;
}

}  // namespace

void read_everything(const repository::BackupSource& source, Proof proof, unsigned jobs,
                     report::Reporter& reporter, const std::stop_token& stop) {
  const repository::Manifest& manifest = source.manifest();
  const std::vector<Item> items = distinct_objects(manifest);
  std::uint64_t total = 0;
  for (const Item& item : items) total += item.ref->plain_bytes;
  reporter.begin_phase("reading", manifest.id, total, report::Unit::bytes);
  std::atomic<std::size_t> next{0};
  std::atomic<std::uint64_t> done{0};
  base::run_workers(base::worker_count(jobs), stop, [&](const std::stop_token& token) {
    repository::Workspace workspace;
    std::string content;
    for (std::size_t i = next++; i < items.size(); i = next++) {
      if (token.stop_requested()) throw base::Error(base::ExitCode::interrupted, "interrupted");
      const Item& item = items[i];
      try {
        if (proof == Proof::stored) {
          source.check(item.type, *item.ref, workspace);
        } else {
          source.read(item.type, *item.ref, workspace, content);
        }
      } catch (base::Error& error) {
        error.with_context(item.table == nullptr
                               ? "the schema of " + source.describe()
                               : "rows of " + base::printable(item.table->schema + "." + item.table->name) +
                                     " in " + source.describe());
        throw;
      }
      reporter.progress(done += item.ref->plain_bytes);
    }
  });
  reporter.end_phase(report::byte_size(total) + " verified");
}

}  // namespace tmb::restore
