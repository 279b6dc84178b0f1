// SPDX-License-Identifier: MIT
#include "restore/copy_crew.hh"

#include <optional>

#include "base/error.hh"
#include "catalog/dump_session.hh"
#include "catalog/staging.hh"
#include "restore/row_copy.hh"

namespace tmb::restore {

using base::Error;
using base::ExitCode;
using base::printable;
using postgres::Connection;

namespace {

// Rows of one COPY. The binary form needs as much memory again in each worker.
constexpr std::size_t block_bytes = std::size_t{512} << 10U;

}  // namespace

class CopyCrew::Worker {
 public:
  Worker(Connection& connection, const CopySession& how)
      : connection_(connection), role_(how.role), copy_(prepared(connection, how)) {}

  void load(const Block& block) {
    const Table& table = *block.table;
    try {
      if (table_ != block.table) {
        become(table.of_extension);
        copy_.choose(table.schema, table.name, table.columns);
      }
      table_ = block.table;
      copy_.send(block.rows);
    } catch (Error& error) {
      error.with_context("loading the table " + printable(table.schema + "." + table.name));
      throw;
    }
  }

 private:
  static Connection& prepared(Connection& connection, const CopySession& how) {
    catalog::prepare_for_loading(connection);
    catalog::read_as(connection, how.encoding);
    if (!how.role.empty()) catalog::become(connection, how.role);
    return connection;
  }

  void become(bool oneself) {
    if (role_.empty() || oneself == oneself_) return;
    if (oneself) {
      catalog::become_oneself(connection_);
    } else {
      catalog::become(connection_, role_);
    }
    oneself_ = oneself;
  }

  Connection& connection_;
  std::string role_;
  bool oneself_ = false;
  RowCopy copy_;
  std::shared_ptr<const Table> table_;
};

CopyCrew::CopyCrew(const postgres::ConnectionSettings& settings, unsigned workers, CopySession how,
                   const std::stop_token& stop)
    : settings_(settings),
      how_(std::move(how)),
      forward_(stop, [this] { inner_.request_stop(); }),
      most_waiting_(workers) {
  for (unsigned i = 0; i < workers; ++i) {
    threads_.emplace_back([this] { work(inner_.get_token()); });
  }
}

CopyCrew::~CopyCrew() {
  inner_.request_stop();
  threads_.clear();  // joins, while everything that they use is still there
}

void CopyCrew::begin(Table table) { filling_ = {std::make_shared<const Table>(std::move(table)), {}}; }

void CopyCrew::add(std::string_view bytes) {
  while (!bytes.empty()) {
    std::size_t length = bytes.size();
    if (filling_.rows.size() + bytes.size() > block_bytes) {
      // A block ends at the first row's end behind its size.
      const std::size_t room = filling_.rows.size() < block_bytes ? block_bytes - filling_.rows.size() : 0;
      const std::size_t newline = bytes.find('\n', room);
      if (newline != std::string_view::npos) length = newline + 1;
    }
    filling_.rows.append(bytes.substr(0, length));
    bytes.remove_prefix(length);
    if (filling_.rows.size() >= block_bytes && filling_.rows.back() == '\n') hand_over();
  }
}

void CopyCrew::end() {
  // Of a dump that was cut off, the last row may be there in part.
  if (!filling_.rows.empty()) filling_.rows.resize(filling_.rows.rfind('\n') + 1);
  if (!filling_.rows.empty()) hand_over();
}

void CopyCrew::rethrow(const std::unique_lock<std::mutex>&) {
  if (failure_) std::rethrow_exception(failure_);
  if (inner_.stop_requested()) throw Error(ExitCode::interrupted, "interrupted");
}

void CopyCrew::hand_over() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, inner_.get_token(), [&] { return failure_ || waiting_.size() < most_waiting_; });
  rethrow(lock);
  const auto table = filling_.table;
  waiting_.push_back(std::move(filling_));
  filling_ = {table, {}};
  if (!spare_.empty()) {
    filling_.rows = std::move(spare_.back());
    spare_.pop_back();
  }
  changed_.notify_all();
}

void CopyCrew::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, inner_.get_token(), [&] { return failure_ || (waiting_.empty() && busy_ == 0); });
  rethrow(lock);
}

void CopyCrew::work(const std::stop_token& stop) {
  try {
    std::optional<Connection> connection;
    std::optional<Worker> worker;
    for (;;) {
      Block block;
      {
        std::unique_lock lock(mutex_);
        if (!changed_.wait(lock, stop, [&] { return !waiting_.empty(); })) return;
        block = std::move(waiting_.front());
        waiting_.pop_front();
        ++busy_;
        changed_.notify_all();
      }
      if (!worker) {
        connection = Connection::open(settings_, stop);
        worker.emplace(*connection, how_);
      }
      worker->load(block);
      const std::lock_guard lock(mutex_);
      --busy_;
      block.rows.clear();
      spare_.push_back(std::move(block.rows));
      changed_.notify_all();
    }
  } catch (...) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::current_exception();
    --busy_;
    inner_.request_stop();
    changed_.notify_all();
  }
}

}  // namespace tmb::restore
