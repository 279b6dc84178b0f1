// SPDX-License-Identifier: MIT
#include "status/status.hh"

#include <algorithm>

#include "base/error.hh"
#include "report/reporter.hh"
#include "repository/known_damage.hh"
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
    out_.all_read = Rotation::read(settings.state_dir, settings.repository).all_read(now);
  }

  Status run(const OpenRepository& open, const ReadTimers& timers) {
    check_clock();
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

  // Runs of a time to come would hide for years that nothing has run since.
  void check_clock() {
    const auto is_ahead = [&](const RunRecord& run) { return lies_ahead(run.started, out_.now); };
    const auto ahead = std::ranges::find_if(out_.runs, is_ahead);
    if (ahead == out_.runs.end()) return;
    const auto count = static_cast<std::uint64_t>(std::ranges::count_if(out_.runs, is_ahead));
    const base::Path file = settings_.state_dir / "history" / (base::compact_utc(ahead->started) + "-*");
    add("clock", Level::warning,
        counted(count, "run is", "runs are") + " noted of a time to come, such as " +
            base::local_time(ahead->started) + ": a clock was wrong, or is now; they count for nothing",
        "timedatectl; if it is right now: rm " + base::printable(file.string()));
    std::erase_if(out_.runs, is_ahead);
  }

  // Not from the history: a later verification that read less, or failed, says nothing of it.
  void check_damage(const std::optional<repository::Repository>& opened) {
    try {
      const std::string id =
          opened ? opened->id() : repository::Repository::read_format(settings_.repository).id;
      const auto known = repository::read_known_damage(settings_.state_dir, settings_.repository, id);
      if (known.empty()) return;
      std::string snapshots;
      for (const std::string& one : opened ? opened->snapshot_ids() : std::vector<std::string>()) {
        if (is_touched(*opened, known, one)) snapshots += (snapshots.empty() ? "" : ", ") + one;
      }
      const std::string what = known.objects.empty()
                                   ? counted(known.snapshots.size(), "snapshot", "snapshots")
                                   : counted(known.objects.size(), "object", "objects");
      add("damage", Level::critical,
          what + " found damaged" + (snapshots.empty() ? "" : ": of snapshot " + snapshots),
          "teslamate-backup, then teslamate-verify; to give a snapshot up: teslamate-snapshots forget");
    } catch (const base::Error& error) {
      const bool unreadable = error.code() == base::ExitCode::local_io;  // such as by this account
      add("damage", unreadable ? Level::warning : Level::critical, error.message(), error.hint());
    }
  }

  static bool is_touched(const repository::Repository& repository, const repository::KnownDamage& known,
                         const std::string& id) {
    try {
      return known.touches(repository.read_manifest(id));
    } catch (const base::Error&) {
      return true;
    }
  }

  void look_at_repository(const OpenRepository& open) {
    std::optional<repository::Repository> opened;
    open_repository(open, opened);
    if (opened || out_.snapshots > 0) check_damage(opened);
  }

  void open_repository(const OpenRepository& open, std::optional<repository::Repository>& opened) {
    try {
      list_snapshots();
      if (open) {
        opened = open();
        out_.encrypted = opened->encrypted();
        if (out_.newest) out_.newest->manifest = opened->read_manifest(out_.newest->id);
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
    const std::string warned = warnings_of(last);
    add("backup", warned.empty() ? level : std::max(level, Level::warning), text + failure + warned,
        level == Level::good ? "journalctl -u teslamate-backup.service" : "teslamate-backup");
  }

  // "; the last run warned: …", empty when it did not.
  static std::string warnings_of(const RunRecord* run) {
    if (run == nullptr || run->exit_code != static_cast<int>(base::ExitCode::warnings)) return "";
    std::string out;
    for (const std::string& warning : run->warnings) out += (out.empty() ? "" : "; ") + warning;
    return "; the last run warned: " + (out.empty() ? "see its journal" : out);
  }

  void check_verify() {
    const auto every = settings_.goals.verify_every;
    const RunRecord* last = last_run(out_.runs, "verify");
    if (last != nullptr && last->exit_code == 13) {
      add("verify", Level::critical, "damage was found " + ago(last->started, out_.now) + ": " + last->error,
          "teslamate-verify --read-data, then teslamate-backup --full");
      return;
    }
    const bool failed = last != nullptr && !last->good();
    const std::string failure = failed ? "; the last run failed: " + last->error : "";
    if (failed && last->exit_code == static_cast<int>(base::ExitCode::local_io)) {
      add("verify", Level::critical,
          "what was there could not be read " + ago(last->started, out_.now) + ": " + last->error,
          "look at the disk and its journal, then teslamate-verify --read-data");
      return;
    }
    if (every.count() == 0 && !failed) return;
    const RunRecord* good = last_run(out_.runs, "verify", true);
    if (good == nullptr) {
      const bool due = due_since_oldest(every) || failed;
      add("verify", due ? Level::warning : Level::good,
          "not verified yet" + (failed ? failure : " (goal: every " + span(every) + ")"), "teslamate-verify");
      return;
    }
    const bool late = out_.now - good->started > with_slack(every);
    const std::string warned = warnings_of(last);
    add("verify", late || failed || !warned.empty() ? Level::warning : Level::good,
        ago(good->started, out_.now) + " (goal: every " + span(every) + ")" + failure + warned,
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
      add("drill", due_since_oldest(every) ? Level::warning : Level::good,
          "no restore was rehearsed yet (goal: every " + span(every) + ")", "teslamate-drill");
      return;
    }
    const bool late = out_.now - last->started > with_slack(every);
    const std::string warned = warnings_of(last);
    add("drill", late || !warned.empty() ? Level::warning : Level::good,
        ago(last->started, out_.now) + " (goal: every " + span(every) + ")" + warned, "teslamate-drill");
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
    const std::string warned = warnings_of(last);
    add("prune", last->good() && warned.empty() ? Level::good : Level::warning,
        last->good() ? ago(last->started, out_.now) + warned
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

std::string Status::untried() const {
  const bool verified = last_run(runs, "verify", true) != nullptr || all_read;
  const bool rehearsed =
      last_run(runs, "drill", true) != nullptr || last_run(runs, "restore", true) != nullptr;
  if (verified) return rehearsed ? "" : "no restore has been rehearsed yet";
  return rehearsed ? "nothing has been verified yet" : "nothing has been verified or rehearsed yet";
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
