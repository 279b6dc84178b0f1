// SPDX-License-Identifier: MIT
#include "backup/plan.hh"

#include <algorithm>
#include <array>

#include "base/error.hh"
#include "crypto/sha256.hh"

namespace tmb::backup {

using repository::Chunk;
using repository::Manifest;
using repository::TableData;

namespace {

// Full chunks are about 8 MB of heap. Towards the end of a table they are finer, because that is where rows
// still change: new ones are put into the room of those that were updated lately.
struct RangeSize {
  std::uint64_t pages;
  std::uint64_t from_end;  // no range of this size comes closer to the table's end
};
constexpr std::array<RangeSize, 3> range_sizes{{{1024, 2048}, {32, 0}, {8, 0}}};

std::string table_signature(const catalog::Table& table, const catalog::ServerFacts& server) {
  if (table.signature.empty()) return "";
  return crypto::hex(crypto::sha256(std::to_string(server.version_number) + "\n" + table.signature))
      .substr(0, 32);
}

}  // namespace

std::vector<PageRange> page_ranges(std::uint64_t pages) {
  std::vector<PageRange> ranges;
  std::uint64_t first = 0;
  for (const RangeSize& size : range_sizes) {
    for (; first + size.pages + size.from_end <= pages; first += size.pages)
      ranges.push_back({first, first + size.pages});
  }
  ranges.push_back({first, std::nullopt});
  return ranges;
}

std::optional<Chunk> rows_before(const TableData& before, const PageRange& range) {
  Chunk all;
  all.first_page = range.first;
  all.end_page = range.end.value_or(Chunk::open_end);
  for (const Chunk& chunk : before.chunks) {
    // Behind its last page the table had no rows, so the open chunk ended there.
    const std::uint64_t end = std::min(chunk.end_page, before.pages);
    if (end <= all.first_page || chunk.first_page >= std::min(all.end_page, before.pages)) continue;
    if (chunk.first_page < all.first_page || end > all.end_page) return std::nullopt;
    all.rows += chunk.rows;
    all.objects.insert(all.objects.end(), chunk.objects.begin(), chunk.objects.end());
  }
  return all;
}

std::string why_not_incremental(const Manifest& parent, const catalog::ServerFacts& server,
                                const catalog::DatabaseFacts& database) {
  const repository::Origin& o = parent.origin;
  constexpr std::uint64_t half_of_all_transactions = std::uint64_t{1} << 31U;
  if (o.system_identifier != server.system_identifier) return "the server is another cluster";
  if (parent.server_version_number != server.version_number) return "the server has another version";
  if (o.database_oid != database.oid) return "the database was created anew";
  if (o.timeline != server.timeline) return "the server was recovered to another timeline";
  // Files may have been put back under a stopped server, to a state whose transaction ids are used again. And
  // a crash can lose transactions that were visible but not yet flushed (synchronous_commit = off); so can
  // the one of a single backend, which does not restart the server but resets its statistics.
  if (o.server_started != server.started) return "the server was restarted or recovered from a crash";
  if (server.wal_position < o.wal_position || server.next_transaction < o.next_transaction) {
    return "the server's history went back";
  }
  if (server.next_transaction - o.oldest_transaction >= half_of_all_transactions) {
    return "too many transactions since the last snapshot";
  }
  return "";
}

Plan make_plan(const std::vector<catalog::Table>& tables, const catalog::ServerFacts& server,
               const Manifest* parent) {
  Plan plan;
  for (const catalog::Table& table : tables) {
    plan.tables.push_back({&table, table_signature(table, server), page_ranges(table.pages)});
    plan.pages += table.pages;
  }
  std::vector<std::size_t> order(tables.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order,
                           [&](std::size_t a, std::size_t b) { return tables[a].pages > tables[b].pages; });
  for (const std::size_t i : order) {
    const TablePlan& entry = plan.tables[i];
    const TableData* before =
        parent == nullptr ? nullptr : parent->find_table(tables[i].schema, tables[i].name);
    const bool comparable =
        before != nullptr && !entry.signature.empty() && before->signature == entry.signature;
    for (std::size_t c = 0; c < entry.ranges.size(); ++c) {
      plan.tasks.push_back(
          {i, c, entry.ranges[c], comparable ? rows_before(*before, entry.ranges[c]) : std::nullopt});
    }
  }
  return plan;
}

std::string next_snapshot_id(base::Time now, const std::string& parent_id, const std::string& random_hex4) {
  std::string stamp = base::compact_utc(now);
  if (!parent_id.empty() && stamp <= parent_id.substr(0, stamp.size())) {
    const std::string& p = parent_id;
    const base::Time before =
        base::parse_iso_utc(p.substr(0, 4) + "-" + p.substr(4, 2) + "-" + p.substr(6, 2) + "T" +
                            p.substr(9, 2) + ":" + p.substr(11, 2) + ":" + p.substr(13, 2) + "Z");
    stamp = base::compact_utc(before + std::chrono::seconds(1));
  }
  return stamp + "-" + random_hex4;
}

}  // namespace tmb::backup
