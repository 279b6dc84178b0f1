// SPDX-License-Identifier: MIT
#include "backup/live_check.hh"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <mutex>

#include "backup/plan.hh"
#include "backup/session.hh"
#include "base/error.hh"
#include "base/workers.hh"
#include "catalog/reader.hh"
#include "crypto/sha256.hh"

namespace tmb::backup {

using base::Error;
using base::ExitCode;
using repository::Chunk;
using repository::Manifest;
using repository::TableData;

namespace {

constexpr std::size_t longest_example = 60;

// Half of a row's SHA-256.
using RowHash = std::array<std::uint64_t, 2>;

RowHash hash_of(std::string_view row) {
  const crypto::Digest digest = crypto::sha256(row);
  RowHash out{};
  std::memcpy(out.data(), digest.data(), sizeof out);
  return out;
}

// The rows of one chunk, each to be found once.
class KnownRows {
 public:
  KnownRows(const repository::BackupSource& snapshot, const Chunk& chunk, repository::Workspace& workspace) {
    std::string text;
    std::string content;
    rows_.reserve(chunk.rows);
    for (const repository::ObjectRef& object : chunk.objects) {
      snapshot.read(repository::ObjectType::rows, object, workspace, content);
      text += content;
      std::size_t at = 0;
      for (std::size_t end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1)
        rows_.push_back(hash_of(std::string_view(text).substr(at, end - at)));
      text.erase(0, at);  // what is left is a row that the next object goes on with
    }
    std::ranges::sort(rows_);
    found_.resize(rows_.size());
  }

  // `row` may end with its newline. False when no row like it is left.
  bool take(std::string_view row) {
    if (row.ends_with('\n')) row.remove_suffix(1);
    const RowHash hash = hash_of(row);
    auto at = static_cast<std::size_t>(std::ranges::lower_bound(rows_, hash) - rows_.begin());
    while (at < rows_.size() && rows_[at] == hash && found_[at]) ++at;
    if (at == rows_.size() || rows_[at] != hash) return false;
    found_[at] = true;
    return true;
  }

  std::uint64_t count() const { return rows_.size(); }

 private:
  std::vector<RowHash> rows_;
  std::vector<bool> found_;
};

struct Range {
  const catalog::Table* table = nullptr;
  const Chunk* chunk = nullptr;
};

class Comparison {
 public:
  Comparison(const repository::BackupSource& snapshot, const postgres::ConnectionSettings& settings,
             const LiveCheckOptions& options, report::Reporter& reporter, std::stop_token stop)
      : snapshot_(snapshot),
        settings_(settings),
        options_(options),
        reporter_(reporter),
        stop_(std::move(stop)) {}

  LiveReport run() {
    const Manifest& manifest = snapshot_.manifest();
    out_.snapshot = manifest.id;
    if (manifest.by_pg_dump()) {
      throw Error(
          ExitCode::unsupported,
          snapshot_.describe() + " is an archive of pg_dump, whose rows cannot be compared one by one")
          .with_hint("rehearse its restore instead: teslamate-drill");
    }
    Session session = open_session(settings_, options_.lock_timeout_ms, stop_);
    const std::string reason = why_not_incremental(manifest, session.server, session.database);
    if (!reason.empty()) {
      throw Error(ExitCode::refused,
                  "snapshot " + manifest.id + " cannot be held against the live database: " + reason)
          .with_hint("teslamate-backup makes one that can; it reads every row this time");
    }
    choose_ranges(session);
    compare(session);
    session.connection.execute("COMMIT");  // also proof that the locks lasted
    std::ranges::sort(out_.differences, {},
                      [](const LiveDifference& one) { return std::pair(one.table, one.first_page); });
    return std::move(out_);
  }

 private:
  void choose_ranges(const Session& session) {
    // As a plan of a backup judges it: is the table the one whose pages the snapshot tells of?
    const Plan plan = make_plan(session.tables, session.server, nullptr);
    for (const TablePlan& entry : plan.tables) {
      const catalog::Table& table = *entry.table;
      const TableData* before = snapshot_.manifest().find_table(table.schema, table.name);
      const char* why = before == nullptr         ? "it is new"
                        : entry.signature.empty() ? "its text depends on more than its rows"
                        : before->signature != entry.signature
                            ? "it was redefined, rewritten or emptied since"
                            : nullptr;
      if (why != nullptr) {
        out_.not_compared.push_back(table.schema + "." + table.name + ": " + why);
        continue;
      }
      ++out_.tables;
      for (const Chunk& chunk : before->chunks) ranges_.push_back({&table, &chunk});
    }
    for (const TableData& before : snapshot_.manifest().tables) {
      const bool there = std::ranges::any_of(session.tables, [&](const catalog::Table& table) {
        return table.schema == before.schema && table.name == before.name;
      });
      if (!there) out_.not_compared.push_back(before.schema + "." + before.name + ": it was dropped since");
    }
  }

  void compare(const Session& session) {
    std::uint64_t rows = 0;
    for (const Range& range : ranges_) rows += range.chunk->rows;
    reporter_.begin_phase("comparing", session.database.name + " with " + out_.snapshot, rows,
                          report::Unit::rows);
    const auto useful = std::clamp<std::size_t>(ranges_.size(), 1, base::worker_count(options_.jobs));
    base::run_workers(static_cast<unsigned>(useful), stop_, [&](const std::stop_token& stop) {
      postgres::Connection connection = open_reader(settings_, session, stop);
      const std::int64_t age = catalog::read_age(connection, snapshot_.manifest().origin.oldest_transaction);
      repository::Workspace workspace;
      for (std::size_t i = next_++; i < ranges_.size() && !stop.stop_requested(); i = next_++)
        compare_range(ranges_[i], connection, age, workspace);
    });
    if (stop_.stop_requested()) throw Error(ExitCode::interrupted, "interrupted");
    reporter_.end_phase(report::counted(out_.same, "row as it was", "rows as they were"));
  }

  void compare_range(const Range& range, postgres::Connection& connection, std::int64_t age,
                     repository::Workspace& workspace) {
    const Chunk& chunk = *range.chunk;
    const catalog::Table& table = *range.table;
    const std::optional<std::uint64_t> end =
        chunk.end_page == Chunk::open_end ? std::nullopt : std::optional(chunk.end_page);
    KnownRows known(snapshot_, chunk, workspace);
    LiveDifference different{table.schema + "." + table.name, chunk.first_page, 0, ""};
    std::uint64_t same = 0;
    const auto copy = [&](catalog::Written written, auto&& row) {
      connection.copy_out(catalog::copy_out_statement(connection, table, chunk.first_page, end, age, written),
                          row);
    };
    copy(catalog::Written::before, [&](std::string_view row) {
      if (known.take(row)) {
        ++same;
      } else if (different.rows++ == 0) {
        different.example = base::printable(beginning_of(row));
      }
    });
    // Some of these may have ended between the oldest transaction of the snapshot's time and the snapshot.
    std::uint64_t since = 0;
    copy(catalog::Written::since, [&](std::string_view row) { ++(known.take(row) ? same : since); });
    const std::scoped_lock lock(mutex_);
    out_.same += same;
    out_.since += since;
    out_.gone += known.count() - same;
    if (known.count() != chunk.rows) {
      out_.differences.push_back(
          {different.table, chunk.first_page,
           known.count() > chunk.rows ? known.count() - chunk.rows : chunk.rows - known.count(),
           "the snapshot does not hold as many rows as it says"});
    }
    if (different.rows > 0) out_.differences.push_back(std::move(different));
    reporter_.progress(done_ += chunk.rows);
  }

  static std::string beginning_of(std::string_view row) {
    std::string out(row.substr(0, row.find('\n')));
    std::ranges::replace(out, '\t', ' ');
    return out.size() <= longest_example ? out : out.substr(0, longest_example) + "…";
  }

  const repository::BackupSource& snapshot_;
  const postgres::ConnectionSettings& settings_;
  const LiveCheckOptions& options_;
  report::Reporter& reporter_;
  std::stop_token stop_;
  std::vector<Range> ranges_;
  std::atomic<std::size_t> next_{0};
  std::mutex mutex_;  // of what follows
  std::uint64_t done_ = 0;
  LiveReport out_;
};

}  // namespace

LiveReport compare_with_live(const repository::BackupSource& snapshot,
                             const postgres::ConnectionSettings& settings, const LiveCheckOptions& options,
                             report::Reporter& reporter, const std::stop_token& stop) {
  const auto began = std::chrono::steady_clock::now();
  LiveReport out = Comparison(snapshot, settings, options, reporter, stop).run();
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return out;
}

std::vector<std::string> describe(const LiveReport& report) {
  std::vector<std::string> lines;
  for (const LiveDifference& one : report.differences) {
    lines.push_back("DIFFERENT  " + base::printable(one.table) + " from page " +
                    report::grouped(one.first_page) + ": " + report::counted(one.rows, "row", "rows") +
                    " without a reason (" + one.example + ")");
  }
  for (const std::string& one : report.not_compared) lines.push_back("not compared  " + base::printable(one));
  lines.push_back("snapshot " + report.snapshot +
                  " and the live database: " + report::counted(report.same, "row", "rows") + " the same in " +
                  report::counted(report.tables, "table", "tables") + "; since then " +
                  report::grouped(report.since) + " added or changed, " + report::grouped(report.gone) +
                  " of it gone or changed");
  return lines;
}

report::Json to_json(const LiveReport& report) {
  report::Json differences = report::Json::array();
  for (const LiveDifference& one : report.differences) {
    differences.push_back(
        {{"table", one.table}, {"first_page", one.first_page}, {"rows", one.rows}, {"example", one.example}});
  }
  return {{"snapshot", report.snapshot}, {"tables", report.tables},  {"same", report.same},
          {"since", report.since},       {"gone", report.gone},      {"not_compared", report.not_compared},
          {"differences", differences},  {"seconds", report.seconds}};
}

}  // namespace tmb::backup
