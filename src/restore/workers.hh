// SPDX-License-Identifier: MIT
// Several threads at one job: the first error stops the others and is thrown once all have ended. And what
// the machine has for them. Private to restore/.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>

#include "postgres/connection.hh"

namespace tmb::restore {

unsigned worker_count(unsigned wanted);

// Calls `work` on `count` threads. A worker ends when it finds nothing more to do; the token it is given is
// asked to stop when `stop` is or when another worker threw.
void run_workers(unsigned count, const std::stop_token& stop,
                 const std::function<void(const std::stop_token&)>& work);

// For each of `jobs` sessions, a share of what memory the machine has left, when the server is on it: sorting
// in memory is what makes indexes fast.
std::uint64_t index_memory_mb(const postgres::ConnectionSettings& settings, unsigned jobs);

}  // namespace tmb::restore
