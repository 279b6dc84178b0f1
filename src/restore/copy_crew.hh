// SPDX-License-Identifier: MIT
// Rows of COPY text loaded over several connections at once, in blocks of whole rows. Private to restore/.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "postgres/connection.hh"

namespace tmb::restore {

// How the sessions have to be. Empty: as they are.
struct CopySession {
  std::string role;      // whose rights the rows are stored with, and the tables' expressions evaluated
  std::string encoding;  // of the rows
};

class CopyCrew {
 public:
  struct Table {
    std::string schema;
    std::string name;
    std::vector<std::string> columns;
    bool of_extension = false;  // the role may not write it; nothing of the dump is evaluated with its rows
  };

  CopyCrew(const postgres::ConnectionSettings& settings, unsigned workers, CopySession how,
           const std::stop_token& stop);
  CopyCrew(const CopyCrew&) = delete;
  CopyCrew& operator=(const CopyCrew&) = delete;
  ~CopyCrew();

  // The rows that follow are of this table.
  void begin(Table table);
  // Pieces of rows in order; they need not end at rows. Waits while all workers are busy. Throws what a
  // worker threw.
  void add(std::string_view bytes);
  // The rows end here.
  void end();
  // Waits until everything is stored.
  void wait();

 private:
  struct Block {
    std::shared_ptr<const Table> table;
    std::string rows;
  };
  class Worker;
  void hand_over();
  void rethrow(const std::unique_lock<std::mutex>& held);
  void work(const std::stop_token& stop);

  postgres::ConnectionSettings settings_;
  CopySession how_;
  std::stop_source inner_;
  std::stop_callback<std::function<void()>> forward_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Block> waiting_;
  std::vector<std::string> spare_;  // buffers to be filled again
  std::size_t busy_ = 0;
  std::size_t most_waiting_;
  std::exception_ptr failure_;
  Block filling_;
  std::vector<std::jthread> threads_;
};

}  // namespace tmb::restore
