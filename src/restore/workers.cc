// SPDX-License-Identifier: MIT
#include "restore/workers.hh"

#include <algorithm>
#include <fstream>
#include <thread>

namespace tmb::restore {

unsigned worker_count(unsigned wanted) {
  constexpr unsigned most = 64;
  return std::clamp(wanted == 0 ? std::thread::hardware_concurrency() : wanted, 1U, most);
}

std::uint64_t index_memory_mb(const postgres::ConnectionSettings& settings, unsigned jobs) {
  constexpr std::uint64_t least = 64;
  constexpr std::uint64_t most = 1024;
  constexpr std::uint64_t unknown = 256;
  if (!settings.host.empty() && settings.host.front() != '/') return unknown;
  std::ifstream file("/proc/meminfo");
  std::string name;
  std::uint64_t kilobytes = 0;
  std::string unit;
  while (file >> name >> kilobytes && std::getline(file, unit)) {
    if (name == "MemAvailable:") return std::clamp(kilobytes / 1024 / 4 / jobs, least, most);
  }
  return unknown;
}

}  // namespace tmb::restore
