// SPDX-License-Identifier: MIT
// Can the owner sleep? What the repository's list and the history of runs say, held against the goals. Reads
// one manifest at most, all of them where damage is known; asks nobody but systemd, changes nothing.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hh"
#include "base/exit_code.hh"
#include "config/settings.hh"
#include "repository/repository.hh"
#include "service/timers.hh"
#include "status/history.hh"

namespace tmb::status {

enum class Level { good, warning, critical };

struct Check {
  std::string name;  // clock, repository, damage, backup, verify, reading, drill, recovery, prune, space,
                     // restore, timers
  Level level = Level::good;
  std::string text;
  std::string mend;  // the command that mends it; empty when there is nothing to mend
};

struct NewestSnapshot {
  std::string id;
  base::Time time{};
  std::optional<repository::Manifest> manifest;  // nullopt: it was not read
};

struct Status {
  base::Time now{};
  std::string repository;
  std::optional<bool> encrypted;  // nullopt: it could not be opened
  std::size_t snapshots = 0;
  std::optional<base::Time> oldest;
  std::optional<NewestSnapshot> newest;
  std::optional<std::uint64_t> free_bytes;
  std::chrono::seconds rpo{0}, rto{0};
  std::optional<base::Time> all_read;      // every byte has been read since then
  std::optional<double> recovery_seconds;  // that the newest good drill, else restore, measured
  std::vector<RunRecord> runs;             // oldest first; none of a time to come
  std::vector<Check> checks;

  Level level() const;  // the worst
  // What all that is well rests on nothing but hope for; empty: nothing.
  std::string untried() const;
};

// `open` opens the repository or throws; empty: only its list is looked at (after a run, when nobody is to be
// asked for a key).
// It throws `no_key_here` when the repository is encrypted and there is nobody to ask: that is no fault.
inline constexpr base::ExitCode no_key_here = base::ExitCode::not_found;
using OpenRepository = std::function<repository::Repository()>;
// What systemd says of our timers; empty or nullopt: it is not asked, or cannot be.
using ReadTimers = std::function<std::optional<std::vector<service::TimerState>>()>;
std::optional<std::vector<service::TimerState>> read_our_timers();

Status gather(const config::Settings& settings, const base::Clock& clock, const OpenRepository& open,
              const ReadTimers& timers);

// The newest run of a kind that tells something, or the newest good one; nullptr when there is none.
const RunRecord* last_run(const std::vector<RunRecord>& runs, const std::string& kind,
                          bool good_only = false);

}  // namespace tmb::status
