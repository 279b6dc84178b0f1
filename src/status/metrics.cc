// SPDX-License-Identifier: MIT
#include <array>
#include <cstdio>

#include "status/render.hh"

namespace tmb::status {

namespace {

constexpr std::array<const char*, 5> kinds{"backup", "verify", "drill", "prune", "restore"};

class Metrics {
 public:
  void describe(const std::string& name, const char* help) {
    name_ = "teslamate_backup_" + name;
    text_ += "# HELP " + name_ + " " + help + "\n# TYPE " + name_ + " gauge\n";
  }
  void value(double value, const std::string& labels = "") {
    std::array<char, 64> number{};
    std::snprintf(number.data(), number.size(), "%.15g", value);
    text_ += name_ + (labels.empty() ? "" : "{" + labels + "}") + " " + number.data() + "\n";
  }
  std::string take() { return std::move(text_); }

 private:
  std::string name_;
  std::string text_;
};

double unix_seconds(base::Time time) {
  return static_cast<double>(std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count());
}

void add_runs(const Status& status, Metrics& out) {
  const auto each = [&](bool good_only, auto value) {
    for (const char* kind : kinds) {
      const RunRecord* run = last_run(status.runs, kind, good_only);
      if (run != nullptr) out.value(value(*run), std::string("kind=\"") + kind + "\"");
    }
  };
  out.describe("last_run_timestamp_seconds",
               "When the newest run of each kind began, in seconds since 1970.");
  each(false, [](const RunRecord& run) { return unix_seconds(run.started); });
  out.describe("last_success_timestamp_seconds",
               "When the newest good run of each kind began, in seconds since 1970.");
  each(true, [](const RunRecord& run) { return unix_seconds(run.started); });
  out.describe("last_run_exit_code", "Exit code of the newest run of each kind; 0 and 3 are good.");
  each(false, [](const RunRecord& run) { return static_cast<double>(run.exit_code); });
  out.describe("last_run_duration_seconds", "How long the newest run of each kind took.");
  each(false, [](const RunRecord& run) { return run.seconds; });
}

void add_snapshots(const Status& status, Metrics& out) {
  out.describe("snapshots", "Snapshots that the repository lists.");
  out.value(static_cast<double>(status.snapshots));
  if (status.newest) {
    out.describe("newest_snapshot_timestamp_seconds", "Time of the newest snapshot, in seconds since 1970.");
    out.value(unix_seconds(status.newest->time));
  }
  if (status.oldest) {
    out.describe("oldest_snapshot_timestamp_seconds", "Time of the oldest snapshot, in seconds since 1970.");
    out.value(unix_seconds(*status.oldest));
  }
  if (const RunRecord* run = last_run(status.runs, "backup", true)) {
    out.describe("snapshot_rows", "Rows of the newest backup.");
    out.value(run->number("rows"));
    out.describe("snapshot_stored_bytes", "Bytes in the repository that the newest backup needs.");
    out.value(run->number("stored_bytes"));
    out.describe("snapshot_new_bytes", "Bytes that the newest backup added to the repository.");
    out.value(run->number("new_bytes"));
    out.describe("snapshot_plain_bytes", "Bytes of the newest backup as text.");
    out.value(run->number("plain_bytes"));
  }
  if (status.free_bytes) {
    out.describe("repository_free_bytes", "Free bytes on the repository's file system.");
    out.value(static_cast<double>(*status.free_bytes));
  }
}

void add_goals(const Status& status, Metrics& out) {
  out.describe("recovery_point_goal_seconds", "How old the newest snapshot may become ([goals] rpo).");
  out.value(static_cast<double>(status.rpo.count()));
  out.describe("recovery_time_goal_seconds", "How long a recovery may take ([goals] rto).");
  out.value(static_cast<double>(status.rto.count()));
  if (status.recovery_seconds) {
    out.describe("recovery_time_seconds", "How long a recovery took in the newest good drill.");
    out.value(*status.recovery_seconds);
  }
  if (status.all_read) {
    out.describe("full_read_timestamp_seconds",
                 "Since when every byte of the repository has been read, in seconds since 1970.");
    out.value(unix_seconds(*status.all_read));
  }
}

}  // namespace

std::string to_metrics(const Status& status) {
  Metrics out;
  out.describe("status", "The worst of all checks: 0 good, 1 warning, 2 critical.");
  out.value(static_cast<double>(status.level()));
  out.describe("check_status", "Each check: 0 good, 1 warning, 2 critical.");
  for (const Check& check : status.checks)
    out.value(static_cast<double>(check.level), "check=\"" + check.name + "\"");
  add_snapshots(status, out);
  add_runs(status, out);
  add_goals(status, out);
  return out.take();
}

}  // namespace tmb::status
