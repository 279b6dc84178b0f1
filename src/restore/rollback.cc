// SPDX-License-Identifier: MIT
// --rollback, --abort and --drop-kept: what a person does after a restore.
#include "base/error.hh"
#include "catalog/admin.hh"
#include "restore/leftovers.hh"
#include "restore/marker.hh"
#include "restore/preflight.hh"
#include "restore/restore.hh"
#include "restore/swap.hh"

namespace tmb::restore {

using base::Error;
using base::ExitCode;
using base::printable;

namespace {

KeptDatabase newest_kept(Session& s) {
  const std::vector<KeptDatabase> kept = list_kept(s, false);
  if (!kept.empty()) return kept.front();
  throw Error(ExitCode::not_found, "there is no kept database of " + printable(s.database) + " to go back to")
      .with_hint("restore a snapshot instead: teslamate-restore SNAPSHOT");
}

void check_may_rename(Session& s, const catalog::DatabaseEntry& entry) {
  const catalog::Rights rights = catalog::read_rights(s.admin);
  if (rights.superuser || (rights.create_database && catalog::is_member_of(s.admin, entry.owner))) return;
  throw Error(ExitCode::database,
              "the role " + printable(rights.role) + " may not rename the database " + printable(entry.name))
      .with_hint("run it as a superuser, or as the owner with CREATEDB");
}

Journal begin_journal(Session& s, const KeptDatabase& kept) {
  const auto old = catalog::find_database(s.admin, kept.oid).value();
  const auto live = catalog::find_database(s.admin, s.database);
  check_may_rename(s, old);
  preflight_rename(s, old);
  Journal j;
  j.run = s.run;
  j.operation = "rollback";
  j.system_identifier = s.system_identifier;
  j.live = s.database;
  j.staging = old.name;
  j.staging_oid = old.oid;
  j.staging_comment = old.comment;
  if (live) {
    check_may_rename(s, *live);
    preflight_rename(s, *live);
    const std::string compact = base::compact_utc(s.began);
    j.live_oid = live->oid;
    j.live_comment = live->comment;
    j.kept = free_name(s, s.database, "_before_" + compact.substr(0, compact.size() - 3));
  }
  j.units = preflight_units(s);
  return j;
}

template <class Work>
Outcome with_state(Session& s, const Work& work) {
  try {
    return work();
  } catch (Error& error) {
    if (error.state().empty()) error.with_state(untouched_state(s));
    throw;
  }
}

}  // namespace

Outcome roll_back(const Options& options, const Adapters& adapters, report::Reporter& reporter,
                  const std::stop_token& stop) {
  Session session = open_session(options, adapters, reporter, stop);
  return with_state(session, [&] {
    for (const std::string& line : clear_leftovers(session)) reporter.note(line);
    const KeptDatabase kept = newest_kept(session);
    const Journal journal = begin_journal(session, kept);
    adapters.confirm(
        "Swap " + printable(session.database) + " back to " + printable(kept.name) + ", kept since " +
        base::local_time(kept.since) + "?" +
        (journal.kept.empty() ? "" : " The present one is kept as " + printable(journal.kept) + "."));
    Outcome out;
    out.operation = "rollback";
    out.live_database = session.database;
    out.down_seconds = Swap(session, journal).run();
    out.kept_database = journal.kept;
    out.kept_until = session.began + std::chrono::days(options.keep_old_days);
    out.lines.push_back(
        "swapped back: " + printable(session.database) + " holds the data of " + printable(kept.name) +
        " again" + (journal.kept.empty() ? "" : "; what was live is kept as " + printable(journal.kept)));
    out.kept = list_kept_at_end(session);
    return out;
  });
}

Outcome abort_leftovers(const Options& options, const Adapters& adapters, report::Reporter& reporter) {
  Session session = open_session(options, adapters, reporter, {});
  return with_state(session, [&] {
    Outcome out;
    out.operation = "abort";
    out.live_database = catalog::find_database(session.admin, session.database) ? session.database : "";
    out.lines = clear_leftovers(session);
    if (out.lines.empty()) out.lines.emplace_back("there is nothing to abort: no restore was interrupted");
    out.kept = list_kept_at_end(session);
    return out;
  });
}

Outcome drop_kept(const Options& options, const Adapters& adapters, report::Reporter& reporter) {
  Session session = open_session(options, adapters, reporter, {});
  return with_state(session, [&] {
    Outcome out;
    out.operation = "drop-kept";
    out.live_database = session.database;
    std::string dropped;
    try {
      for (const KeptDatabase& kept : list_kept(session, true)) {
        if (session.began - kept.since < std::chrono::days(options.keep_old_days)) continue;
        const std::string name = printable(kept.name);
        if (!adapters.ask("Drop " + name + " (" + report::byte_size(kept.bytes) + ", kept since " +
                          base::local_time(kept.since) + ") for good?")) {
          out.lines.push_back("left " + name);
          continue;
        }
        catalog::drop_database(session.admin, kept.name);
        dropped += (dropped.empty() ? "" : ", ") + name;
        out.lines.push_back("dropped " + name);
      }
    } catch (Error& error) {
      if (dropped.empty()) throw;
      throw Error(error.with_state("dropped " + dropped + "; " + printable(session.database) +
                                   " and the other kept databases are as they were"));
    }
    if (out.lines.empty())
      out.lines.push_back("no kept database is older than " + std::to_string(options.keep_old_days) +
                          " days");
    out.kept = list_kept_at_end(session);
    return out;
  });
}

}  // namespace tmb::restore
