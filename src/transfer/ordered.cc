// SPDX-License-Identifier: MIT
#include "transfer/ordered.hh"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.hh"

namespace tmb::transfer {

namespace {

struct Slot {
  std::string piece;
  bool ready = false;
};

class Line {
 public:
  Line(std::size_t count, unsigned jobs, const std::stop_token& stop, const Make& make)
      : count_(count), slots_(jobs + 2), make_(make), forward_(stop, [this] { fail(nullptr); }) {
    for (unsigned i = 0; i < jobs; ++i) workers_.emplace_back([this] { work(); });
  }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;
  ~Line() {
    fail(nullptr);
    workers_.clear();
  }

  void take_all(const Take& take) {
    for (std::size_t number = 0; number < count_; ++number) {
      Slot& slot = slots_[number % slots_.size()];
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return slot.ready || stopped_; });
        if (stopped_) throw_failure();
      }
      take(number, slot.piece);
      const std::lock_guard lock(mutex_);
      slot.ready = false;
      taken_ = number + 1;
      changed_.notify_all();
    }
  }

 private:
  void fail(std::exception_ptr failure) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::move(failure);
    stopped_ = true;
    changed_.notify_all();
  }

  void throw_failure() const {
    if (failure_) std::rethrow_exception(failure_);
    throw base::Error(base::ExitCode::interrupted, "interrupted");
  }

  void work() {
    try {
      Bench bench;
      while (true) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stopped_ || next_ >= count_ || next_ < taken_ + slots_.size(); });
        if (stopped_ || next_ >= count_) return;
        const std::size_t number = next_++;
        lock.unlock();
        // Nobody else touches the slot between its being taken and its being ready.
        Slot& slot = slots_[number % slots_.size()];
        make_(number, bench, slot.piece);
        lock.lock();
        slot.ready = true;
        changed_.notify_all();
      }
    } catch (...) {
      fail(std::current_exception());
    }
  }

  const std::size_t count_;
  std::vector<Slot> slots_;
  const Make& make_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t next_ = 0;
  std::size_t taken_ = 0;
  bool stopped_ = false;
  std::exception_ptr failure_;
  std::stop_callback<std::function<void()>> forward_;
  std::vector<std::jthread> workers_;
};

}  // namespace

void make_in_order(std::size_t count, unsigned jobs, const std::stop_token& stop, const Make& make,
                   const Take& take) {
  const auto useful = static_cast<unsigned>(std::clamp<std::size_t>(count, 1, jobs));
  Line(count, useful, stop, make).take_all(take);
}

}  // namespace tmb::transfer
