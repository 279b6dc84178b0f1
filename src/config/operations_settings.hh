// SPDX-License-Identifier: MIT
// The sections of the unattended life: what is kept, how soon what must have happened, who is told.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/file.hh"

namespace tmb::config {

// [retention]. Each number is of periods that have a snapshot; 0 switches the rule off.
struct RetentionSettings {
  unsigned keep_last = 7;
  unsigned hourly = 24;
  unsigned daily = 30;
  unsigned weekly = 12;
  unsigned monthly = 36;
  unsigned yearly = 50;
  std::chrono::seconds within{0};                       // of the newest snapshot
  unsigned minimum = 3;                                 // snapshots that stay whatever the rules say
  std::chrono::seconds grace = std::chrono::hours(20);  // that an unused object stays
};

// [goals]. How much may be lost (rpo) and how long a recovery may take (rto).
struct GoalSettings {
  std::string preset = "hobby";             // 24 h and 2 h; serious: 1 h, 30 min; production: 5 min, 15 min
  std::optional<std::chrono::seconds> rpo;  // over the preset's
  std::optional<std::chrono::seconds> rto;
  std::chrono::seconds verify_every = std::chrono::hours(36);
  std::chrono::seconds read_all_within = std::chrono::hours(24 * 30);  // every byte of the repository
  std::chrono::seconds drill_every = std::chrono::hours(24 * 35);      // 0: none is expected

  std::chrono::seconds recovery_point() const;
  std::chrono::seconds recovery_time() const;
};

// [notify]. All that is named is told. An address is often a secret: then it is in a file of its own.
struct NotifySettings {
  std::vector<std::string> command;  // absolute path and arguments; the facts are in its environment
  std::string webhook;               // gets a POST of JSON
  base::Path webhook_file;
  std::string ntfy;  // address of a topic: gets failures, and successes with `on_success`
  base::Path ntfy_file;
  base::Path ntfy_token_file;
  std::string healthchecks;  // address of a check: gets start, success and fail
  base::Path healthchecks_file;
  bool on_success = false;           // command, webhook and ntfy are told of good runs too
  std::chrono::seconds timeout{10};  // for each
};

// [status]
struct StatusSettings {
  base::Path metrics_file;  // written after each run when named; for node_exporter's textfile collector
  base::Path html_file;     // the report, written after each run when named
};

}  // namespace tmb::config
