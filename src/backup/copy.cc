// SPDX-License-Identifier: MIT
#include "backup/copy.hh"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "base/error.hh"
#include "catalog/reader.hh"

namespace tmb::backup {

using base::Error;
using base::ExitCode;
using repository::BackupSink;
using repository::Chunk;
using repository::ObjectType;
using repository::StoredObject;

namespace {

// A chunk's text is cut into objects here. Ranges of 1024 pages are about 8 MB, so nearly all chunks are one.
constexpr std::size_t object_bytes = std::size_t{10} << 20U;
// Rows longer than an object are cut anywhere.
constexpr std::size_t slice_bytes = std::size_t{16} << 20U;

// Collects the rows of one chunk and stores them as they fill an object.
class ChunkWriter {
 public:
  // `cuts`: lengths of the first objects, as far as a row ends there.
  ChunkWriter(const BackupSink& store, repository::Workspace& workspace, std::string& buffer,
              std::vector<std::uint64_t> cuts)
      : store_(store), workspace_(workspace), buffer_(buffer), cuts_(std::move(cuts)) {
    buffer_.clear();
  }

  void add(std::string_view row) {
    if (!buffer_.empty() && buffer_.size() + row.size() > object_bytes) flush();
    while (row.size() > slice_bytes) {
      buffer_.assign(row.substr(0, slice_bytes));
      flush();
      row.remove_prefix(slice_bytes);
    }
    buffer_.append(row);
    if (objects.size() < cuts_.size() && buffer_.size() == cuts_[objects.size()]) flush();
  }

  void flush() {
    if (buffer_.empty()) return;
    const StoredObject stored = store_.put(ObjectType::rows, buffer_, workspace_);
    objects.push_back(stored.ref);
    new_bytes += stored.new_bytes;
    read_bytes += buffer_.size();
    healed += stored.healed ? 1U : 0U;
    buffer_.clear();
  }

  std::vector<repository::ObjectRef> objects;
  std::uint64_t new_bytes = 0;
  std::uint64_t read_bytes = 0;
  std::uint64_t healed = 0;

 private:
  const BackupSink& store_;
  repository::Workspace& workspace_;
  std::string& buffer_;
  const std::vector<std::uint64_t> cuts_;
};

// What the workers share. The first failure stops them all.
struct Shared {
  const Plan& plan;
  const Session& session;
  const postgres::ConnectionSettings& settings;
  std::uint64_t parent_oldest_transaction;
  const BackupSink* store;
  report::Reporter& reporter;
  CopyResult& result;
  std::uint64_t block_size;
  std::stop_source stop_all{};
  std::atomic<std::size_t> next_task{0};
  std::atomic<std::uint64_t> pages_done{0};
  std::mutex mutex{};  // of result.totals and failure
  std::exception_ptr failure{};
};

std::uint64_t pages_of(const Task& task, const catalog::Table& table) {
  return task.range.end.value_or(std::max(table.pages, task.range.first)) - task.range.first;
}

class Worker {
 public:
  explicit Worker(Shared& shared)
      : shared_(shared),
        connection_(open_reader(shared.settings, shared.session, shared.stop_all.get_token())),
        parent_age_(catalog::read_age(connection_, shared.parent_oldest_transaction)) {}

  void run() {
    while (!shared_.stop_all.stop_requested()) {
      const std::size_t next = shared_.next_task++;
      if (next >= shared_.plan.tasks.size()) return;
      const Task& task = shared_.plan.tasks[next];
      const catalog::Table& table = *shared_.plan.tables[task.table].table;
      try {
        shared_.result.chunks[task.table][task.chunk] = make_chunk(task);
      } catch (Error& error) {
        if (error.code() == ExitCode::database)
          error.with_context("table " + base::printable(table.schema + "." + table.name));
        throw;
      }
      shared_.reporter.progress((shared_.pages_done += pages_of(task, table)) * shared_.block_size);
    }
  }

 private:
  Chunk make_chunk(const Task& task) {
    const TablePlan& plan = shared_.plan.tables[task.table];
    const bool dry = shared_.store == nullptr;
    cuts_.clear();
    Chunk chunk;
    chunk.first_page = task.range.first;
    chunk.end_page = task.range.end.value_or(Chunk::open_end);
    if (!task.before && !dry) return read_rows(task, *plan.table, std::nullopt, std::move(chunk));

    const std::string name = catalog::qualified(connection_, plan.table->schema, plan.table->name);
    const catalog::PageRows now =
        catalog::count_rows(connection_, name, task.range.first, task.range.end, parent_age_);
    chunk.rows = now.rows;
    if (task.before && all_there(*task.before, now)) {
      if (now.young == 0) {
        const std::scoped_lock lock(shared_.mutex);
        ++shared_.result.totals.unchanged[task.table];
        return *task.before;
      }
      if (!dry) return read_rows(task, *plan.table, now.young, *task.before);
    }
    return dry ? chunk : read_rows(task, *plan.table, std::nullopt, std::move(chunk));
  }

  // Whether every row that the parent had is still there, and its objects are worth keeping.
  bool all_there(const Chunk& before, const catalog::PageRows& now) {
    return now.rows - now.young == before.rows &&
           before.objects.size() + (now.young > 0 ? 1 : 0) <= max_objects_of_a_chunk && is_intact(before);
  }

  bool is_intact(const Chunk& chunk) {
    if (shared_.store == nullptr) return true;
    const bool intact = std::ranges::all_of(
        chunk.objects, [&](const repository::ObjectRef& ref) { return shared_.store->looks_intact(ref); });
    // The rows are still in the database, so what is damaged in the repository can be written again.
    if (!intact) {
      // Cut as it was, it is mended for the older snapshots too.
      for (const repository::ObjectRef& ref : chunk.objects) cuts_.push_back(ref.plain_bytes);
      shared_.reporter.warning(
          "an object of the last snapshot is missing, cut off or known to be damaged; its rows are read "
          "again");
    }
    return intact;
  }

  // `young` given: reads that many rows that were added since the parent, and appends them to `chunk`. Else
  // all.
  Chunk read_rows(const Task& task, const catalog::Table& table, std::optional<std::uint64_t> young,
                  Chunk chunk) {
    ChunkWriter writer(*shared_.store, workspace_, buffer_, cuts_);
    std::uint64_t rows = 0;
    const std::string copy = catalog::copy_out_statement(connection_, table, task.range.first, task.range.end,
                                                         young ? std::optional(parent_age_) : std::nullopt);
    const std::uint64_t sent = connection_.copy_out(copy, [&](std::string_view row) {
      writer.add(row);
      ++rows;
    });
    writer.flush();
    if (sent != rows || (young && rows != *young)) {
      throw Error(ExitCode::database, std::to_string(rows) + " rows came where " +
                                          std::to_string(young ? *young : sent) + " were announced");
    }
    chunk.rows = young ? chunk.rows + rows : rows;
    chunk.objects.insert(chunk.objects.end(), writer.objects.begin(), writer.objects.end());
    const std::scoped_lock lock(shared_.mutex);
    shared_.result.totals.new_bytes += writer.new_bytes;
    shared_.result.totals.read_bytes += writer.read_bytes;
    shared_.result.totals.healed += writer.healed;
    return chunk;
  }

  Shared& shared_;
  postgres::Connection connection_;
  std::int64_t parent_age_;
  std::vector<std::uint64_t> cuts_;  // of the chunk that is made, where its objects are damaged
  repository::Workspace workspace_;
  std::string buffer_;
};

template <class Work>
void guarded(Shared& shared, Work&& work) {
  try {
    work();
  } catch (...) {
    {
      const std::scoped_lock lock(shared.mutex);
      // Those that fail because they were stopped come later than what stopped them.
      if (!shared.failure) shared.failure = std::current_exception();
    }
    shared.stop_all.request_stop();
  }
}

}  // namespace

CopyResult copy_tables(const Plan& plan, const Session& session, const postgres::ConnectionSettings& settings,
                       std::uint64_t parent_oldest_transaction, const BackupSink* store, unsigned jobs,
                       const std::function<void(const std::stop_token&)>& also, report::Reporter& reporter,
                       const std::stop_token& stop) {
  CopyResult result;
  for (const TablePlan& table : plan.tables) result.chunks.emplace_back(table.ranges.size());
  result.totals.unchanged.resize(plan.tables.size());
  Shared shared{plan,  session,  settings, parent_oldest_transaction,
                store, reporter, result,   session.server.block_size};
  const std::stop_callback outer(stop, [&] { shared.stop_all.request_stop(); });
  {
    std::vector<std::jthread> threads;
    threads.emplace_back([&] { guarded(shared, [&] { also(shared.stop_all.get_token()); }); });
    const std::size_t workers = std::min<std::size_t>(jobs, plan.tasks.size());
    for (std::size_t i = 0; i < workers; ++i) {
      threads.emplace_back([&] { guarded(shared, [&] { Worker(shared).run(); }); });
    }
  }
  if (stop.stop_requested()) throw Error(ExitCode::interrupted, "interrupted");
  if (shared.failure) std::rethrow_exception(shared.failure);
  return result;
}

}  // namespace tmb::backup
