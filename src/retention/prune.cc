// SPDX-License-Identifier: MIT
#include "retention/prune.hh"

#include <algorithm>
#include <optional>

#include "base/error.hh"
#include "repository/removal.hh"
#include "repository/tags.hh"
#include "retention/survey.hh"

namespace tmb::retention {

using base::Error;
using base::ExitCode;
using repository::Removal;
using repository::Tombstones;
using Access = Removal::Access;

namespace {

// Unused objects fall into those that go now and those that wait.
struct Sweep {
  std::vector<std::string> remove;
  Tombstones waiting;
};

void refuse_emptied(const repository::Repository& repository, const Survey& survey) {
  if (!survey.snapshots.empty() || survey.objects.empty()) return;
  throw Error(ExitCode::refused, base::printable(repository.path().string()) +
                                     " lists no snapshot but holds " +
                                     report::counted(survey.objects.size(), "object", "objects") +
                                     ": nothing is removed on such a sight")
      .with_hint("was a file system not mounted, or snapshots/ emptied? Otherwise make a backup first");
}

// The snapshots that go name their objects no longer.
void let_go(Survey& survey, const std::vector<Verdict>& plan) {
  for (std::size_t i = 0; i < plan.size(); ++i) {
    if (plan[i].keep()) continue;
    for (const std::uint32_t object : survey.naming[i]) --survey.objects[object].holders;
  }
}

Sweep plan_sweep(const Survey& survey, const Tombstones& known, const PruneOptions& options, base::Time now,
                 PruneOutcome& outcome) {
  Sweep out;
  for (const SurveyedObject& object : survey.objects) {
    if (object.holders > 0) continue;
    const auto found = known.find(object.id);
    const base::Time since = found == known.end() ? now : found->second;
    // One that waits since a time to come waits on: the clock was wrong then or is now.
    if (options.now || (found != known.end() && now - since >= options.grace)) {
      out.remove.push_back(object.id);
      ++outcome.objects_removed;
      outcome.bytes_removed += object.bytes;
    } else {
      out.waiting[object.id] = since;
      ++outcome.objects_waiting;
      outcome.bytes_waiting += object.bytes;
    }
  }
  return out;
}

std::string question(const std::vector<Verdict>& plan, const std::vector<std::string>& removed,
                     const base::Path& path) {
  return "Remove " + report::counted(removed.size(), "snapshot", "snapshots") + " of " +
         report::grouped(plan.size()) + " from " + base::printable(path.string()) + "?";
}

// Read at each look: a verification may end while a question waits.
repository::KnownDamage known_damage(const base::Path& state_dir, const repository::Repository& repository) {
  return state_dir.empty() ? repository::KnownDamage{} : repository::read_known_damage(state_dir, repository);
}

struct Planned {
  PruneOutcome outcome;
  Sweep sweep;
};

Planned plan_prune(const repository::Repository& repository, const Removal& removal,
                   const PruneOptions& options, const base::Clock& clock, report::Reporter& reporter) {
  Survey found = survey(repository, removal, known_damage(options.state_dir, repository), reporter);
  refuse_emptied(repository, found);
  const base::Time now = clock.now();
  Planned out;
  out.outcome.dry_run = options.dry_run;
  out.outcome.plan = make_plan(found.snapshots, options.policy, now);
  for (const Verdict& verdict : out.outcome.plan) {
    if (!verdict.keep()) out.outcome.removed.push_back(verdict.snapshot.id);
  }
  let_go(found, out.outcome.plan);
  out.sweep = plan_sweep(found, removal.read_tombstones(), options, now, out.outcome);
  return out;
}

// Asks what may be removed. Nothing is locked while a person thinks: the night's backup must not wait for
// that.
std::vector<std::string> ask(const repository::Repository& repository, const PruneOptions& options,
                             const base::Clock& clock, const Confirm& confirm, report::Reporter& reporter) {
  const PruneOutcome seen =
      plan_prune(repository, Removal(repository, Access::look), options, clock, reporter).outcome;
  if (!seen.removed.empty()) confirm(question(seen.plan, seen.removed, repository.path()));
  return seen.removed;
}

void refuse_more_than_agreed(const std::vector<std::string>& removed,
                             const std::vector<std::string>& agreed) {
  for (const std::string& id : removed) {
    if (std::ranges::find(agreed, id) != agreed.end()) continue;
    throw Error(ExitCode::refused, "while the question waited, " + id + " came to be one that no rule keeps")
        .with_hint("run it again to see what would go now");
  }
}

// In this order: what is named by a manifest is there, whenever this ends. Objects before the list of those
// that wait, because on a full disk it can only be written when there is room.
void execute(const Removal& removal, const Planned& planned) {
  try {
    removal.remove_snapshots(planned.outcome.removed);
    removal.remove_objects(planned.sweep.remove);
    removal.write_tombstones(planned.sweep.waiting);
  } catch (Error& error) {
    throw error
        .with_state("some of the snapshots that no rule keeps are gone; each one that is listed is as it was")
        .with_hint("mend the cause and run it again: the next run goes on from here");
  }
}

// What a damaged tag said nobody knows: it may have been "pinned".
void refuse_pinned(const repository::Repository& repository, const repository::Manifest& manifest) {
  const std::string hint = "teslamate-snapshots tag " + manifest.id + " --unpin";
  try {
    if (!repository::read_tag(repository, manifest).pinned) return;
  } catch (Error& error) {
    throw error.with_hint(hint);
  }
  throw Error(ExitCode::refused, "snapshot " + manifest.id + " is pinned").with_hint(hint);
}

// Throws what forget() throws for ids that may not go.
ForgetOutcome plan_forget(const repository::Repository& repository, const std::vector<std::string>& ids,
                          const repository::KnownDamage& damage) {
  ForgetOutcome out;
  std::size_t complete_left = 0;
  bool complete_goes = false;
  const std::vector<std::string> all = repository.snapshot_ids();
  for (const std::string& id : all) {
    const bool goes = std::ranges::find(ids, id) != ids.end();
    std::optional<repository::Manifest> manifest;
    try {
      manifest = repository.read_manifest(id);
    } catch (const Error& error) {
      if (error.code() != ExitCode::damaged) throw;
    }
    if (goes && manifest) refuse_pinned(repository, *manifest);
    const bool complete = manifest && !damage.touches(*manifest);
    if (!goes && complete) ++complete_left;
    complete_goes = complete_goes || (goes && complete);
    if (goes) {
      out.removed.push_back(id);
    } else {
      out.newest = id;
    }
  }
  for (const std::string& id : ids) {
    if (std::ranges::find(all, id) == all.end())
      throw Error(ExitCode::not_found, "there is no snapshot " + base::printable(id));
  }
  if (complete_goes && complete_left == 0) {
    throw Error(ExitCode::refused, "no complete snapshot would be left: the others are damaged or gone")
        .with_hint("make a new backup first: teslamate-backup");
  }
  return out;
}

}  // namespace

PruneOutcome prune(const repository::Repository& repository, const PruneOptions& options,
                   const base::Clock& clock, const Confirm& confirm, report::Reporter& reporter,
                   const std::stop_token& stop) {
  if (options.dry_run)
    return plan_prune(repository, Removal(repository, Access::look), options, clock, reporter).outcome;
  std::vector<std::string> agreed;
  if (confirm) agreed = ask(repository, options, clock, confirm, reporter);
  const Removal removal(repository, Access::remove);
  Planned planned = plan_prune(repository, removal, options, clock, reporter);
  if (confirm) refuse_more_than_agreed(planned.outcome.removed, agreed);
  if (stop.stop_requested()) throw Error(ExitCode::interrupted, "interrupted");
  execute(removal, planned);
  return std::move(planned.outcome);
}

ForgetOutcome forget(const repository::Repository& repository, const std::vector<std::string>& ids,
                     const base::Path& state_dir, bool dry_run, const Confirm& confirm) {
  if (dry_run || confirm) {
    const Removal look(repository, Access::look);
    ForgetOutcome out = plan_forget(repository, ids, known_damage(state_dir, repository));
    out.dry_run = dry_run;
    if (dry_run) return out;
  }
  if (confirm) confirm("Forget " + report::counted(ids.size(), "snapshot", "snapshots") + " for good?");
  const Removal removal(repository, Access::remove);
  ForgetOutcome out = plan_forget(repository, ids, known_damage(state_dir, repository));
  removal.remove_snapshots(out.removed);
  return out;
}

}  // namespace tmb::retention
