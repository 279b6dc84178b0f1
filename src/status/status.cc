// SPDX-License-Identifier: MIT
#include "status/status.hh"

#include <algorithm>

#include "base/error.hh"
#include "report/reporter.hh"
#include "status/rotation.hh"
#include "status/timers.hh"
#include "status/words.hh"

namespace tmb::status {

using report::counted;

namespace {

using std::chrono::seconds;

std::string ago(base::Time time, base::Time now) {
  const auto passed = std::chrono::duration_cast<seconds>(now - time).count();
  if (passed < 0) return "in the future";
  return age_text(seconds(passed)) + " ago";
}

std::string span(seconds time) { return age_text(time); }

// The time in a snapshot's id: good enough without its manifest.
std::optional<base::Time> time_of(const std::string& id) {
  if (!repository::is_snapshot_id(id)) return std::nullopt;
  const std::string iso = id.substr(0, 4) + "-" + id.substr(4, 2) + "-" + id.substr(6, 2) + "T" +
                          id.substr(9, 2) + ":" + id.substr(11, 2) + ":" + id.substr(13, 2) + "Z";
  try {
    return base::parse_iso_utc(iso);
  } catch (const base::Error&) {
    return std::nullopt;
  }
}

class Gatherer {
 public:
  Gatherer(const config::Settings& settings, base::Time now) : settings_(settings) {
    out_.now = now;
    out_.repository = settings.repository.string();
    out_.rpo = settings.goals.recovery_point();
    out_.rto = settings.goals.recovery_time();
    out_.runs = read_records(settings.state_dir);
    out_.all_read = Rotation::read(settings.state_dir, settings.repository).all_read();
  }

  Status run(const OpenRepository& open, const ReadTimers& timers) {
    look_at_repository(open);
    check_backup();
    check_verify();
    check_reading();
    check_drill();
    check_recovery();
    check_prune();
    check_space();
    check_restore();
    if (timers) {
      if (const auto found = timers()) out_.checks.push_back(check_timers(*found, settings_.goals, out_.now));
    }
    return std::move(out_);
  }

 private:
  void add(const char* name, Level level, std::string text, std::string mend = "") {
    out_.checks.push_back({name, level, std::move(text), level == Level::good ? "" : std::move(mend)});
  }

  void look_at_repository(const OpenRepository& open) {
    try {
      list_snapshots();
      if (open) {
        const repository::Repository repository = open();
        out_.encrypted = repository.encrypted();
        if (out_.newest) out_.newest->manifest = repository.read_manifest(out_.newest->id);
      }
    } catch (const base::Error& error) {
      if (error.code() == no_key_here) {
        add("repository", Level::good,
            counted(out_.snapshots, "snapshot", "snapshots") + ", not opened: " + error.message());
        return;
      }
      const bool busy = error.code() == base::ExitCode::locked;
      add("repository", busy ? Level::warning : Level::critical, error.message(), error.hint());
      return;
    }
    add("repository", Level::good, counted(out_.snapshots, "snapshot", "snapshots"));
    if (out_.newest && out_.newest->manifest) out_.newest->time = out_.newest->manifest->time;
  }

  void list_snapshots() {
    const base::Path folder = settings_.repository / "snapshots";
    std::error_code error;
    std::vector<std::string> ids;
    for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
         it.increment(error)) {
      const base::Path& file = it->path();
      if (file.extension() == ".json" && repository::is_snapshot_id(file.stem().string()))
        ids.push_back(file.stem().string());
    }
    if (error) {
      throw base::Error(base::ExitCode::no_repository, "there is no readable repository at " +
                                                           base::printable(settings_.repository.string()) +
                                                           ": " + error.message())
          .with_hint("is its disk mounted?");
    }
    std::ranges::sort(ids);
    out_.snapshots = ids.size();
    if (!ids.empty()) {
      out_.oldest = time_of(ids.front());
      if (const auto time = time_of(ids.back()))
        out_.newest = NewestSnapshot{ids.back(), *time, std::nullopt};
    }
    out_.free_bytes = base::free_space(settings_.repository);
  }

  // A timer has a random delay and a run takes its time: a goal is missed a little later than to the second.
  static seconds with_slack(seconds goal) { return goal + goal / 10 + seconds(300); }

  void check_backup() {
    const RunRecord* last = last_run(out_.runs, "backup");
    const bool failing = last != nullptr && !last->good();
    const std::string failure = failing ? "; the last run failed: " + last->error : "";
    if (!out_.newest) {
      add("backup", Level::critical, "there is no snapshot" + failure, "teslamate-backup");
      return;
    }
    const auto age = out_.now - out_.newest->time;
    const std::string text =
        "the newest snapshot is of " + ago(out_.newest->time, out_.now) + " (goal " + span(out_.rpo) + ")";
    if (age < seconds(-600)) {
      add("backup", Level::critical, "the newest snapshot lies in the future: a clock is wrong",
          "timedatectl");
      return;
    }
    const Level level = age > 3 * with_slack(out_.rpo) ? Level::critical
                        : age > with_slack(out_.rpo)   ? (failing ? Level::critical : Level::warning)
                        : failing                      ? Level::warning
                                                       : Level::good;
    add("backup", level, text + failure, "teslamate-backup");
  }

  void check_verify() {
    const auto every = settings_.goals.verify_every;
    const RunRecord* last = last_run(out_.runs, "verify");
    if (last != nullptr && last->exit_code == 13) {
      add("verify", Level::critical, "damage was found " + ago(last->started, out_.now) + ": " + last->error,
          "teslamate-verify --read-data, then teslamate-backup --full");
      return;
    }
    if (every.count() == 0) return;
    const RunRecord* good = last_run(out_.runs, "verify", true);
    if (good == nullptr) {
      add("verify", due_since_oldest(every) ? Level::warning : Level::good, "never ran", "teslamate-verify");
      return;
    }
    const bool late = out_.now - good->started > with_slack(every);
    add("verify", late ? Level::warning : Level::good,
        ago(good->started, out_.now) + " (goal: every " + span(every) + ")" +
            (good != last ? "; the last run failed: " + last->error : ""),
        "teslamate-verify");
  }

  void check_reading() {
    const auto within = settings_.goals.read_all_within;
    if (within.count() == 0) return;
    const std::string goal = " (goal: within " + span(within) + ")";
    if (!out_.all_read) {
      add("reading", due_since_oldest(within) ? Level::warning : Level::good,
          "not every byte has been read yet" + goal, "teslamate-verify --read-data");
      return;
    }
    const bool late = out_.now - *out_.all_read > with_slack(within);
    add("reading", late ? Level::warning : Level::good,
        "every byte was read, the oldest part " + ago(*out_.all_read, out_.now) + goal,
        "teslamate-verify --read-data");
  }

  void check_drill() {
    const auto every = settings_.goals.drill_every;
    const RunRecord* last = last_run(out_.runs, "drill");
    if (last != nullptr && !last->good()) {
      add("drill", Level::critical,
          "the last one failed " + ago(last->started, out_.now) + ": " + last->error, "teslamate-drill");
      return;
    }
    if (every.count() == 0) return;
    if (last == nullptr) {
      add("drill", due_since_oldest(every) ? Level::warning : Level::good, "no restore was ever rehearsed",
          "teslamate-drill");
      return;
    }
    const bool late = out_.now - last->started > with_slack(every);
    add("drill", late ? Level::warning : Level::good,
        ago(last->started, out_.now) + " (goal: every " + span(every) + ")", "teslamate-drill");
  }

  void check_recovery() {
    const RunRecord* drill = last_run(out_.runs, "drill", true);
    if (drill == nullptr || drill->number("recovery_seconds") <= 0) return;
    out_.recovery_seconds = drill->number("recovery_seconds");
    const bool slow = *out_.recovery_seconds > static_cast<double>(out_.rto.count());
    add("recovery", slow ? Level::warning : Level::good,
        report::duration(*out_.recovery_seconds) + " measured (goal " + span(out_.rto) + ")",
        "a faster disk, or another [goals] rto");
  }

  void check_prune() {
    const RunRecord* last = last_run(out_.runs, "prune");
    if (last == nullptr) return;
    add("prune", last->good() ? Level::good : Level::warning,
        last->good() ? ago(last->started, out_.now)
                     : "failed " + ago(last->started, out_.now) + ": " + last->error,
        "teslamate-snapshots prune");
  }

  // Room for as many more backups as the last ones needed on average.
  void check_space() {
    if (!out_.free_bytes) return;
    double sum = 0;
    int count = 0;
    for (auto it = out_.runs.rbegin(); it != out_.runs.rend() && count < 10; ++it) {
      if (it->kind != "backup" || !it->good()) continue;
      sum += it->number("new_bytes");
      ++count;
    }
    constexpr double few = 30;
    constexpr double least = 100e6;
    const auto free = static_cast<double>(*out_.free_bytes);
    const double each = count == 0 ? 0 : sum / count;
    add("space", free < std::max(least, few * each) ? Level::warning : Level::good,
        report::byte_size(*out_.free_bytes) + " free", "teslamate-snapshots prune --now, or a larger disk");
  }

  void check_restore() {
    struct Place {
      base::Path folder;
      const char* mend;
    };
    for (const Place& place : {Place{settings_.state_dir, "teslamate-restore --abort"}}) {
      std::error_code ignored;
      if (std::filesystem::exists(place.folder / "restore.journal", ignored))
        add("restore", Level::critical, "an interrupted restore waits to be finished or undone", place.mend);
    }
  }

  bool due_since_oldest(seconds time) const {
    return out_.oldest && out_.now - *out_.oldest > with_slack(time);
  }

  const config::Settings& settings_;
  Status out_;
};

}  // namespace

Level Status::level() const {
  Level worst = Level::good;
  for (const Check& check : checks) worst = std::max(worst, check.level);
  return worst;
}

const RunRecord* last_run(const std::vector<RunRecord>& runs, const std::string& kind, bool good_only) {
  const auto found = std::find_if(runs.rbegin(), runs.rend(), [&](const RunRecord& run) {
    return run.kind == kind && run.tells() && (!good_only || run.good());
  });
  return found == runs.rend() ? nullptr : &*found;
}

Status gather(const config::Settings& settings, const base::Clock& clock, const OpenRepository& open,
              const ReadTimers& timers) {
  return Gatherer(settings, clock.now()).run(open, timers);
}

}  // namespace tmb::status
