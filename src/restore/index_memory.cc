// SPDX-License-Identifier: MIT
#include "restore/index_memory.hh"

#include <algorithm>
#include <fstream>

namespace tmb::restore {

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
