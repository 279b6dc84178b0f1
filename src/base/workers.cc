// SPDX-License-Identifier: MIT
#include "base/workers.hh"

#include <algorithm>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace tmb::base {

unsigned worker_count(unsigned wanted) {
  constexpr unsigned most = 64;
  return std::clamp(wanted == 0 ? std::thread::hardware_concurrency() : wanted, 1U, most);
}

void run_workers(unsigned count, const std::stop_token& stop,
                 const std::function<void(const std::stop_token&)>& work) {
  std::stop_source inner;
  const std::stop_callback forward(stop, [&] { inner.request_stop(); });
  std::mutex mutex;
  std::exception_ptr first;
  {
    std::vector<std::jthread> threads;
    threads.reserve(count);
    for (unsigned i = 0; i < count; ++i) {
      threads.emplace_back([&] {
        try {
          work(inner.get_token());
        } catch (...) {
          const std::lock_guard lock(mutex);
          if (!first) first = std::current_exception();
          inner.request_stop();
        }
      });
    }
  }
  if (first) std::rethrow_exception(first);
}

}  // namespace tmb::base
