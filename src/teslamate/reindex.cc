// SPDX-License-Identifier: MIT
#include "teslamate/reindex.hh"

#include <thread>

#include "base/error.hh"
#include "catalog/health.hh"
#include "catalog/reader.hh"

namespace tmb::teslamate {

using postgres::Connection;

namespace {

// Tells the reporter how far the build of session `pid` is, until asked to stop.
class ProgressWatch {
 public:
  ProgressWatch(const postgres::ConnectionSettings& database, int pid, std::uint64_t bytes,
                report::Reporter& reporter)
      : thread_([database, pid, bytes, &reporter](const std::stop_token& stop) {
          try {
            Connection connection = Connection::open(database);
            while (!stop.stop_requested()) {
              const catalog::BuildProgress p = catalog::read_build_progress(connection, pid);
              if (p.total > 0 && p.done <= p.total) {
                const double part = static_cast<double>(p.done) / static_cast<double>(p.total);
                reporter.progress(static_cast<std::uint64_t>(part * static_cast<double>(bytes)));
              }
              std::this_thread::sleep_for(std::chrono::milliseconds(100));
            }
          } catch (const base::Error& error) {
            reporter.detail("no progress can be shown: " + error.message());
          }
        }) {}

 private:
  std::jthread thread_;
};

}  // namespace

Outcome reindex_bloated(const postgres::ConnectionSettings& database, std::uint64_t waste_bytes,
                        report::Reporter& reporter, const std::stop_token& stop) {
  Connection connection = Connection::open(database, stop);
  catalog::limit_lock_waits(connection, 60000);
  Outcome out;
  report::Json rebuilt = report::Json::array();
  const auto dropped = catalog::drop_cut_off_rebuilds(connection);
  for (const std::string& name : dropped)
    reporter.note("removed what a rebuild that was cut off had left: " + name);
  for (const catalog::IndexState& index : catalog::read_bloated_indexes(connection, waste_bytes)) {
    reporter.begin_phase("rebuilding", base::printable(index.index.text()), index.bytes, report::Unit::bytes);
    {
      const ProgressWatch watch(database, connection.backend_pid(), index.bytes, reporter);
      try {
        catalog::reindex(connection, index.index);
      } catch (base::Error& error) {
        throw error.with_context(base::printable(index.index.text()))
            .with_state("the old index is in use as before")
            .with_hint("teslamate-check --reindex clears what was half built and begins again");
      }
    }
    const auto now = catalog::relation_bytes(connection, index.index);
    reporter.end_phase(report::byte_size(index.bytes) + " → " + report::byte_size(now));
    rebuilt.push_back({{"index", index.index.text()}, {"bytes_before", index.bytes}, {"bytes_after", now}});
  }
  out.lines.push_back(rebuilt.empty() ? "no index needs it"
                                      : report::counted(rebuilt.size(), "index", "indexes") + " rebuilt");
  out.document["reindexed"] = std::move(rebuilt);
  out.document["removed"] = dropped;
  return out;
}

}  // namespace tmb::teslamate
