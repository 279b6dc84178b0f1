// SPDX-License-Identifier: MIT
// Several threads at one job: the first error stops the others and is thrown once all have ended.
#pragma once

#include <functional>
#include <stop_token>

namespace tmb::base {

// 0: one for each processor. At most 64, whatever is wanted.
unsigned worker_count(unsigned wanted);

// Calls `work` on `count` threads. A worker ends when it finds nothing more to do; the token it is given is
// asked to stop when `stop` is or when another worker threw.
void run_workers(unsigned count, const std::stop_token& stop,
                 const std::function<void(const std::stop_token&)>& work);

}  // namespace tmb::base
