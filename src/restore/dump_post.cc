// SPDX-License-Identifier: MIT
#include "restore/dump_post.hh"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "base/error.hh"
#include "base/workers.hh"
#include "catalog/dump_session.hh"
#include "catalog/staging.hh"
#include "restore/index_memory.hh"

namespace tmb::restore {

using base::Error;
using postgres::Connection;

namespace {

// Which statement comes next, and which tables are taken. Two statements that lock the same two tables in
// different order would wait for each other for ever.
class Schedule {
 public:
  explicit Schedule(const std::vector<PostStatement>& statements)
      : statements_(statements), state_(statements.size(), State::waiting) {}

  // Null when all have begun, or `stop` was asked.
  const PostStatement* take(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
      bool left = false;
      for (std::size_t i = 0; i < statements_.size(); ++i) {
        if (state_[i] != State::waiting) continue;
        left = true;
        if (!is_free(statements_[i])) continue;
        state_[i] = State::running;
        return &statements_[i];
      }
      if (!left) return nullptr;
      changed_.wait(lock, stop, [this, before = ended_] { return ended_ != before; });
    }
    return nullptr;
  }

  void finish(const PostStatement* statement) {
    const std::lock_guard lock(mutex_);
    state_[static_cast<std::size_t>(statement - statements_.data())] = State::ended;
    ++ended_;
    changed_.notify_all();
  }

 private:
  enum class State { waiting, running, ended };

  static bool has(const std::vector<sql::Name>& names, const sql::Name& name) {
    return std::any_of(names.begin(), names.end(),
                       [&](const sql::Name& n) { return !(n < name) && !(name < n); });
  }

  bool is_free(const PostStatement& wanted) const {
    for (std::size_t i = 0; i < statements_.size(); ++i) {
      if (state_[i] != State::running) continue;
      const PostStatement& other = statements_[i];
      const auto collides = [&](const sql::Name& n) { return has(other.alone, n) || has(other.shared, n); };
      const auto alone = [&](const sql::Name& n) { return has(other.alone, n); };
      if (std::any_of(wanted.alone.begin(), wanted.alone.end(), collides)) return false;
      if (std::any_of(wanted.shared.begin(), wanted.shared.end(), alone)) return false;
    }
    return true;
  }

  const std::vector<PostStatement>& statements_;
  std::vector<State> state_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::size_t ended_ = 0;
};

}  // namespace

void run_post_statements(const std::vector<PostStatement>& statements,
                         const postgres::ConnectionSettings& settings, unsigned jobs, const PostSession& how,
                         const std::stop_token& outer) {
  if (statements.empty()) return;
  Schedule schedule(statements);
  const auto useful = static_cast<unsigned>(std::min<std::size_t>(jobs, statements.size()));
  base::run_workers(useful, outer, [&](const std::stop_token& stop) {
    Connection connection = Connection::open(settings, stop);
    catalog::prepare_for_loading(connection);
    catalog::prepare_for_indexing(connection, index_memory_mb(settings, jobs));
    catalog::read_as(connection, how.encoding);
    if (!how.role.empty()) catalog::become(connection, how.role);
    if (!how.search_path.empty()) connection.query(how.search_path);
    // Else the server would read other statements than the ones that were judged.
    if (!how.strings.empty()) connection.query(how.strings);
    while (const PostStatement* statement = schedule.take(stop)) {
      try {
        connection.query(statement->text);
      } catch (Error& error) {
        schedule.finish(statement);
        if (statement->line > 0) error.with_context("line " + std::to_string(statement->line));
        throw;
      }
      schedule.finish(statement);
    }
  });
  if (outer.stop_requested()) throw Error(base::ExitCode::interrupted, "interrupted");
}

}  // namespace tmb::restore
