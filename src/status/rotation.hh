// SPDX-License-Identifier: MIT
// Reading everything, a part at a time: the objects fall into 256 parts by the beginning of their ids, and of
// each part it is remembered when it was last read. One file in the state folder; lost, all is read anew.
#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <vector>

#include "base/clock.hh"
#include "base/file.hh"

namespace tmb::status {

class Rotation {
 public:
  static constexpr unsigned parts = 256;

  // Empty when there is no such file, or none of this repository.
  static Rotation read(const base::Path& state_dir, const base::Path& repository);
  // Nothing without a state folder. Throws local_io.
  void write(const base::Path& state_dir, const base::Path& repository) const;

  // Since when every part has been read: the oldest of their times; nullopt when one never was.
  // What lies ahead of `now` was noted by a clock that was wrong, or one is now: it counts as never read.
  std::optional<base::Time> all_read(base::Time now) const;

  // The parts to read now so that each is read within `period` when this is asked as often as so far: those
  // never read first, then the oldest.
  std::vector<unsigned> due(base::Time now, std::chrono::seconds period) const;
  void mark(const std::vector<unsigned>& read, base::Time now);
  void mark_all(base::Time now);

 private:
  std::optional<base::Time> last(unsigned part, base::Time now) const;

  std::array<std::optional<base::Time>, parts> last_{};
  std::optional<base::Time> run_;  // the newest
};

}  // namespace tmb::status
