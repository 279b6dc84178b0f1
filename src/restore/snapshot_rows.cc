// SPDX-License-Identifier: MIT
#include "restore/snapshot_rows.hh"

#include <algorithm>
#include <atomic>
#include <mutex>

#include "base/workers.hh"

namespace tmb::restore {

std::vector<std::string> SnapshotRows::columns(const std::string& table) const {
  const repository::TableData* found = source_.manifest().find_table("public", table);
  return found == nullptr ? std::vector<std::string>{} : found->columns;
}

void SnapshotRows::scan(const std::string& table, const teslamate::RowFilter& filter,
                        const std::function<void(std::string_view)>& sink) {
  const repository::TableData* found = source_.manifest().find_table("public", table);
  if (found == nullptr) return;
  std::vector<const repository::ObjectRef*> objects;
  for (const repository::Chunk& chunk : found->chunks) {
    for (const repository::ObjectRef& object : chunk.objects) objects.push_back(&object);
  }
  std::atomic<std::size_t> next{0};
  std::mutex one_at_a_time;
  const auto useful =
      static_cast<unsigned>(std::clamp<std::size_t>(objects.size(), 1, base::worker_count(jobs_)));
  base::run_workers(useful, stop_, [&](const std::stop_token& stop) {
    repository::Workspace workspace;
    std::string text;
    std::string wanted;
    for (std::size_t i = next++; i < objects.size() && !stop.stop_requested(); i = next++) {
      source_.read(repository::ObjectType::rows, *objects[i], workspace, text);
      wanted.clear();
      if (!filter.takes_all()) filter.select(text, wanted);
      const std::lock_guard lock(one_at_a_time);
      if (const std::string& rows = filter.takes_all() ? text : wanted; !rows.empty()) sink(rows);
    }
  });
}

}  // namespace tmb::restore
