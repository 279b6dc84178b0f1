// SPDX-License-Identifier: MIT
#include "verify/objects.hh"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "base/error.hh"
#include "base/newlines.hh"

namespace tmb::verify {

using base::Error;
using base::ExitCode;

namespace {

std::string file_of(const repository::Repository& repository, const repository::ObjectRef& ref) {
  return repository.objects().path_of(ref.id).lexically_relative(repository.path()).string();
}

class Checker {
 public:
  Checker(const repository::Repository& repository, const Options& options, report::Reporter& reporter,
          const std::stop_token& stop)
      : repository_(repository), options_(options), reporter_(reporter), stop_(stop) {}

  void run(ObjectStates& objects) {
    for (auto& entry : objects) {
      queue_.push_back(&entry);
      total_ += cost_of(entry.first);
    }
    const bool bytes = counts_bytes();
    reporter_.begin_phase(bytes ? "reading" : "checking", repository_.path().string(), total_,
                          bytes ? report::Unit::bytes : report::Unit::items);
    work_in_parallel();
    if (failure_) std::rethrow_exception(failure_);
    if (stop_.stop_requested()) {
      throw Error(ExitCode::interrupted, "interrupted after " +
                                             report::counted(done_objects_, "object", "objects") + " of " +
                                             report::grouped(queue_.size()));
    }
    reporter_.end_phase(bytes ? report::byte_size(total_) : report::counted(total_, "object", "objects"));
  }

 private:
  using Entry = std::pair<const NamedObject, ObjectState>;

  bool counts_bytes() const { return options_.read_data || !options_.parts.empty(); }

  std::uint64_t cost_of(const NamedObject& object) const {
    if (!counts_bytes()) return 1;
    return options_.reads(object.ref.id) ? object.ref.plain_bytes : 0;
  }

  void work_in_parallel() {
    const unsigned processors = std::max(1U, std::thread::hardware_concurrency());
    const std::size_t wanted = options_.jobs == 0 ? processors : options_.jobs;
    const std::size_t workers = std::min(wanted, queue_.size());
    std::vector<std::jthread> threads;
    for (std::size_t i = 1; i < workers; ++i) threads.emplace_back([this] { work(); });
    work();
  }

  void work() noexcept {
    try {
      repository::Workspace workspace;
      std::string content;
      while (!stop_.stop_requested() && !failed_) {
        const std::size_t at = next_++;
        if (at >= queue_.size()) return;
        check(*queue_[at], workspace, content);
        ++done_objects_;
        reporter_.progress(done_ += cost_of(queue_[at]->first));
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
      failed_ = true;
    }
  }

  void check(Entry& entry, repository::Workspace& workspace, std::string& content) const {
    const auto& object = entry.first;
    const auto damaged = [&](ExitCode code, std::string why) {
      entry.second.damage = Damage{code, file_of(repository_, object.ref), std::move(why)};
    };
    if (!options_.reads(object.ref.id)) {
      if (!repository_.objects().looks_intact(object.ref))
        damaged(ExitCode::damaged, "missing, cut off or not an object");
      return;
    }
    try {
      repository_.objects().get(object.type, object.ref, workspace, content);
      entry.second.lines = base::count_newlines(content);
    } catch (const Error& error) {
      if (error.code() != ExitCode::damaged && error.code() != ExitCode::local_io) throw;
      damaged(error.code(), error.message());
    }
  }

  const repository::Repository& repository_;
  const Options& options_;
  report::Reporter& reporter_;
  const std::stop_token& stop_;
  std::vector<Entry*> queue_;  // each worked on by one thread alone
  std::uint64_t total_ = 0;
  std::atomic<std::size_t> next_{0};
  std::atomic<std::uint64_t> done_{0};
  std::atomic<std::uint64_t> done_objects_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  std::exception_ptr failure_;
};

}  // namespace

void check_objects(const repository::Repository& repository, ObjectStates& objects, const Options& options,
                   report::Reporter& reporter, const std::stop_token& stop) {
  Checker(repository, options, reporter, stop).run(objects);
}

}  // namespace tmb::verify
