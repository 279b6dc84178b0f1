// SPDX-License-Identifier: MIT
// SIGINT, SIGTERM and SIGHUP become a request to stop: blocked in every thread and read by one. However often
// they come, none of them ends the process; its work does, at a place where that is safe.
#pragma once

#include <atomic>
#include <optional>
#include <stop_token>
#include <thread>

#include "base/exit_code.hh"
#include "base/fd.hh"

namespace tmb::cli {

class SignalWatch {
 public:
  // Create before any other thread: they inherit the blocked signals. A SIGHUP that is ignored (nohup) stays
  // so. Throws local_io.
  SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;
  ~SignalWatch();  // the signals stay blocked

  std::stop_token stop() const { return source_.get_token(); }
  // How a run ends that was stopped: interrupted (SIGINT, SIGHUP), terminated (SIGTERM), nullopt when no
  // signal came.
  std::optional<base::ExitCode> received() const;

 private:
  void watch();

  std::stop_source source_;
  std::atomic<int> first_{0};
  base::UniqueFd signals_;
  base::UniqueFd end_;
  std::thread thread_;
};

}  // namespace tmb::cli
