#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves the tests: puts one mistake at a time into a copy of the tree and demands that the named test goes red.

    seeded_mistakes.py [--build COMMAND] [NAME…]     all mistakes, or those whose names contain one of the words

COMMAND is called with the copy, a folder for the build and what its bin/ has to get; the default uses cmake. Not part of the ordinary run: each mistake costs a build. Ends with 1 when a mistake survives.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BACKUP = "integration/backup_test.py"
REFUSAL = "integration/backup_refusal_test.py"
KILL = "fault/backup_kill_test.py"
UNIT = "unit_tests"
PRUNE = "integration/prune_test.py"
DRILL = "integration/drill_test.py"
STATUS = "integration/status_test.py"
NOTIFY = "integration/notify_test.py"
LIVE = "integration/verify_live_test.py"
BAD_DAYS = "integration/bad_days_test.py"
# What a test needs built, where that is more than teslamate-backup.
TARGETS = {UNIT: ["unit_tests"]} | dict.fromkeys(
    (PRUNE, DRILL, STATUS, NOTIFY, LIVE, BAD_DAYS),
    ["sample-database", *(f"teslamate-{n}" for n in ("backup", "restore", "snapshots", "verify", "drill", "status"))])

# name, [(file, what stands there, what stands there instead)…], program, test that must fail
MISTAKES = [
    ("no fsync of a file", [("src/base/file.cc", "if (::fsync(file.fd()) != 0) throw", "if (false) throw")],
     KILL, "Sweep.test_every_file_is_synced_before_its_name_and_every_name_before_the_manifest"),
    ("names of objects not synced before the manifest", [("src/repository/repository.cc", "  objects_.sync_directories();\n", "")],
     KILL, "Sweep.test_every_file_is_synced_before_its_name_and_every_name_before_the_manifest"),
    ("manifest before the names of its objects",
     [("src/repository/repository.cc", "  objects_.sync_directories();\n", ""),
      ("src/repository/repository.cc", "to_file(manifest), base::Overwrite::no, 0400);\n",
       "to_file(manifest), base::Overwrite::no, 0400);\n  objects_.sync_directories();\n")],
     KILL, "Sweep.test_every_file_is_synced_before_its_name_and_every_name_before_the_manifest"),
    ("what was written is not read back", [("src/base/file.cc", "  compare_with_disk(file.fd(), bytes, file.path());\n", "")],
     KILL, "Sweep.test_a_byte_that_write_claims_to_have_written_and_has_not_is_found"),
    ("a snapshot that could not be made durable stays listed",
     [("src/base/file.cc", "if (overwrite == Overwrite::no) ::unlink(path.c_str());", "")],
     KILL, "Sweep.test_an_error_while_only_the_manifest_is_written"),
    ("temporary files are left after an error", [("src/base/file.cc", "if (there_) ::unlink(path_.c_str());", "")],
     KILL, "Sweep.test_an_error_while_rows_and_definitions_are_stored"),
    ("temporary files of dead runs are not swept", [("src/base/file.cc", "starts_with(temporary_prefix) && ", "starts_with(\"no\") && ")],
     UNIT, "the writer sweeps temporary files*"),
    ("object read without its hash", [("src/repository/object_store.cc", "crypto::hex(crypto::sha256(content)) != ref.id", "false")],
     UNIT, "a whole object of the same type*"),
    ("object read without its checksum", [("src/repository/object_store.cc", "return same ? nullptr :", "return true ? nullptr :")],
     UNIT, "every flipped bit*"),
    ("manifest read without its checksum", [("src/repository/sealed_json.cc", "if (tail.substr(checksum_key.size(), 64) !=", "if (false && tail.substr(0, 1) !=")],
     UNIT, "every flipped bit*"),
    ("manifest of another repository accepted", [("src/repository/repository.cc", " || manifest.repository_id != id_", "")],
     UNIT, "a manifest of another repository*"),
    ("content there already is trusted by its name", [("src/repository/object_store.cc", "if (there == true) return stored;", "if (there) return stored;")],
     UNIT, "an object that is there under the right name*"),
    ("a snapshot's id can be taken twice", [("src/repository/repository.cc", "to_file(manifest), base::Overwrite::no, 0400", "to_file(manifest), base::Overwrite::yes, 0400")],
     UNIT, "a snapshot's id is taken once"),
    ("two writers at once", [("src/repository/repository.cc", "writer_byte, base::LockMode::exclusive", "writer_byte, base::LockMode::shared")],
     UNIT, "one writer*"),
    ("clock back makes an older id", [("src/backup/plan.cc", "if (!parent_id.empty() && stamp <=", "if (false && stamp <=")],
     UNIT, "a snapshot's id is its time*"),
    ("a folder that cannot be listed is empty", [("src/repository/repository.cc", "  if (error) throw base::system_error(error.value(), \"cannot list \" + shown(folder));\n  std::ranges::sort", "  std::ranges::sort")],
     UNIT, "a folder of snapshots that cannot be listed*"),
    ("missing objects are taken over", [("src/backup/copy.cc", "return shared_.store->looks_intact(ref);", "return !ref.id.empty();")],
     BACKUP, "TheTailAlone.test_a_missing_or_cut_object_is_written_again_without_full"),
    ("the signature of a table does not count", [("src/backup/plan.cc", "&& before->signature == entry.signature", "")],
     BACKUP, "AfterAChange.test_enum_value_renamed"),
    ("new row versions do not count", [("src/backup/copy.cc", "if (now.young == 0) {", "if (now.young < 1000000000) {")],
     BACKUP, "AfterAChange.test_update_of_one_row"),
    ("the number of rows does not count", [("src/backup/copy.cc", "return now.rows - now.young == before.rows &&", "return")],
     BACKUP, "AfterAChange.test_delete_of_one_row"),
    ("transactions open at the last snapshot are forgotten",
     [("src/backup/backup.cc", "0 : trusted->origin.oldest_transaction", "0 : trusted->origin.next_transaction")],
     BACKUP, "AfterAChange.test_a_transaction_open_during_the_first_snapshot"),
    ("trusted after a restart", [("src/backup/plan.cc", "if (o.server_started != server.started) return", "if (false) return")],
     BACKUP, "AfterTheServerOrDatabaseChanged"),
    ("trusted on another cluster", [("src/backup/plan.cc", "if (o.system_identifier != server.system_identifier) return", "if (false) return"),
                                    ("src/backup/plan.cc", "if (o.server_started != server.started) return", "if (false) return"),
                                    ("src/backup/plan.cc", "if (o.database_oid != database.oid) return", "if (false) return")],
     UNIT, "chunks are comparable only in the same history of the same database"),
    ("snapshot before lock",
     [("src/backup/session.cc", "  catalog::lock_tables(connection, listed);\n", ""),
      ("src/backup/session.cc", "  session.snapshot = catalog::export_snapshot(connection);\n",
       "  session.snapshot = catalog::export_snapshot(connection);\n  catalog::lock_tables(connection, listed);\n"),
      ("src/backup/session.cc", "return same_definitions(listed, session.tables);", "return true;")],
     REFUSAL, "Locks.test_a_truncate_between_the_listing_and_the_lock_is_never_read_as_an_empty_table"),
    ("the end of a COPY is not looked at",
     [("src/postgres/connection.cc", "    if (failed) throw_refused(connection, failed->result, stop);\n", ""),
      ("src/backup/copy.cc", "if (sent != rows || ", "if (false && ")],
     REFUSAL, "Interrupted.test_a_backend_cancelled_in_the_middle_of_copy"),
    ("names may change while rows are read", [("src/backup/backup.cc", "if (catalog::read_names_fingerprint(session.connection) != names)", "if (false)")],
     REFUSAL, "Locks.test_schemas_that_swap_their_names_while_we_read"),
    ("locks are waited for without end", [("src/catalog/reader.cc", "\"SET lock_timeout = \" + std::to_string(timeout_ms)", "\"SET lock_timeout = \" + std::to_string(timeout_ms * 0)")],
     REFUSAL, "Locks.test_a_locked_sequence_is_refused_in_bounded_time"),
    ("formats are not pinned", [("src/postgres/connection.cc", "SET extra_float_digits = 3; ", "")],
     REFUSAL, "SettingsOfTheRole.test_settings_and_shadowing_functions_change_no_byte"),
    ("search_path is not pinned", [("src/postgres/connection.cc", "SET search_path = ''; ", "")],
     REFUSAL, "SettingsOfTheRole.test_settings_and_shadowing_functions_change_no_byte"),
    ("obstacles are ignored", [("src/backup/backup.cc", "  refuse_obstacles(session);\n", "")],
     REFUSAL, "WhatCannotBeCarried.test_large_objects"),
    ("a pooler is not noticed", [("src/postgres/connection.cc", "if (pid.integer(0, 0) != out.backend_pid())", "if (false)")],
     REFUSAL, "Connecting.test_transaction_pooling_is_refused"),
    # The unattended programs.
    ("prune removes objects that a snapshot still names",
     [("src/retention/prune.cc", "    if (object.holders > 0) continue;\n", "")],
     PRUNE, "Prune.test_now_frees_space_at_once"),
    ("unused objects go in the run that finds them",
     [("src/retention/prune.cc", "if (options.now || (", "if (options.now || true || (")],
     PRUNE, "Prune.test_objects_go_in_a_later_run_and_only_when_still_unused"),
    ("objects go before the snapshots that name them",
     [("src/retention/prune.cc", "    removal.remove_snapshots(planned.outcome.removed);\n    removal.remove_objects(planned.sweep.remove);\n",
       "    removal.remove_objects(planned.sweep.remove);\n    removal.remove_snapshots(planned.outcome.removed);\n"),
      ("src/retention/prune.cc", "if (options.now || (", "if (options.now || true || (")],
     PRUNE, "Prune.test_killed_at_every_change_it_leaves_only_complete_snapshots"),
    ("a snapshot from the future is no reason to stop", [("src/retention/plan.cc", "if (ahead == snapshots.rend()) return;", "return;")],
     PRUNE, "Prune.test_one_from_the_future_is_refused"),
    ("the schedule eats what is pinned", [("src/retention/plan.cc", "if (s.pinned) one.reasons.push_back", "if (false) one.reasons.push_back")],
     UNIT, "what a person took*"),
    ("a snapshot with an object missing counts", [("src/retention/survey.cc", "} else if (damage.empty()) {", "} else if (false) {")],
     PRUNE, "Prune.test_a_snapshot_with_an_object_missing_does_not_count"),
    ("an emptied list of snapshots is an empty repository", [("src/retention/prune.cc", "  refuse_emptied(repository, found);\n", "  if (false) refuse_emptied(repository, found);\n")],
     PRUNE, "Prune.test_an_emptied_list_of_snapshots_is_not_an_empty_repository"),
    ("an error of listing is the end of the list",
     [("src/repository/removal.cc", 'if (error) throw base::system_error(error.value(), "cannot list "', 'if (false) throw base::system_error(error.value(), "cannot list "')],
     PRUNE, "Prune.test_a_listing_that_fails_in_the_middle_removes_nothing"),
    ("what came after the question is removed too", [("src/retention/prune.cc", "if (confirm) refuse_more_than_agreed", "if (false) refuse_more_than_agreed")],
     PRUNE, "Prune.test_while_its_question_waits_a_backup_goes_on_and_the_plan_is_made_again"),
    ("the question is asked under the lock",
     [("src/retention/prune.cc", "  std::vector<std::string> agreed;\n  if (confirm)", "  std::optional<Removal> early(std::in_place, repository, Access::remove);\n  std::vector<std::string> agreed;\n  if (confirm)")],
     PRUNE, "Prune.test_while_its_question_waits_a_backup_goes_on_and_the_plan_is_made_again"),
    ("a drill leaves its database", [("src/drill/drill.cc", "if (entry && entry->oid == oid_) catalog::drop_database(admin, name_);", "")],
     DRILL, "Drill.test_the_newest_snapshot_comes_back_and_the_times_are_said"),
    ("folders of dead drills are not swept", [("src/drill/cluster.cc", "  sweep(absolute);\n", "  if (false) sweep(absolute);\n")],
     DRILL, "Drill.test_killed_while_it_makes_its_cluster_or_loads_a_file_the_next_one_removes_what_is_left"),
    ("cars are not counted in a drill", [("src/drill/drill.cc", "    if (same) continue;\n", "    if (same || true) continue;\n")],
     DRILL, "Drill.test_a_snapshot_that_does_not_hold_what_it_says_is_damaged"),
    ("the drill of a file counts for the repository", [("tools/teslamate-drill.cc", '? "drill-file" : "drill"', '? "drill" : "drill"')],
     DRILL, "Drill.test_the_drill_of_a_file_is_noted_but_is_not_taken_for_one_of_the_repository"),
    ("a row that is not the snapshot's passes", [("src/backup/live_check.cc", "} else if (different.rows++ == 0) {", "} else if (false && different.rows++ == 0) {")],
     LIVE, "Live.test_a_row_that_changed_on_its_disk_is_found_though_no_backup_sees_it"),
    ("one row of a snapshot answers for two", [("src/backup/live_check.cc", "    found_[at] = true;\n", "")],
     LIVE, "Live.test_a_row_twice_where_it_was_once_is_found"),
    ("what cannot be compared is compared", [("src/backup/live_check.cc", "if (!reason.empty()) {", "if (false) {")],
     LIVE, "Live.test_after_a_restart_it_says_that_it_cannot_tell_until_the_next_backup"),
    ("the rotation reads the same part again", [("src/status/rotation.cc", "for (const unsigned part : read) last_.at(part) = now;", "for (const unsigned part : read) static_cast<void>(part);")],
     STATUS, "Status.test_rotation_reads_a_part_and_then_another_one"),
    ("a notification that fails fails the run",
     [("src/notify/notifier.cc", '  reporter_.note("the " + name + " could not be told: " + why);\n  return false;', '  throw base::Error(base::ExitCode::local_io, name + why);')],
     NOTIFY, "Notify.test_nobody_who_cannot_be_told_makes_a_run_fail"),
    ("metrics are written in place",
     [("tools/teslamate-status.cc", "base::publish_file(options.metrics, status::to_metrics(found), base::Overwrite::yes, readable_mode);",
       "{ const std::string text = status::to_metrics(found); std::ofstream out(options.metrics); for (const char c : text) out << c << std::flush; }"),
      ("tools/teslamate-status.cc", '#include "base/error.hh"\n', '#include <fstream>\n#include "base/error.hh"\n')],
     STATUS, "Status.test_whoever_reads_the_metrics_meanwhile_reads_all_of_them"),
    ("the report does not escape", [("src/status/html.cc", """case '<': out += "&lt;"; break;""", """case '<': out += "<"; break;""")],
     STATUS, "Status.test_the_report_is_one_page_that_needs_nothing_else"),
    ("a stopped timer is no matter", [("src/status/timers.cc", '} else if (one.active_state != "active") {', '} else if (false) {')],
     UNIT, "a backup that will not be made*"),
]


def build(tree: pathlib.Path, out: pathlib.Path, program: str, command: str | None) -> None:
    environment = os.environ | {"CCACHE_NOHASHDIR": "1"}
    targets = TARGETS.get(program, ["teslamate-backup"])
    if command:
        argv = [[command, str(tree), str(out), *targets]]
    else:
        argv = [["cmake", "-S", str(tree), "-B", str(out), "-DCMAKE_BUILD_TYPE=RelWithDebInfo"],
                ["cmake", "--build", str(out), "-j2", "--target", *targets]]
    for arguments in argv:
        done = subprocess.run(arguments, capture_output=True, text=True, env=environment)
        if done.returncode != 0:
            raise RuntimeError(f"the mistaken tree does not build:\n{done.stdout[-1500:]}{done.stderr[-1500:]}")


def is_red(tree: pathlib.Path, out: pathlib.Path, program: str, test: str) -> bool:
    if program == UNIT:
        done = subprocess.run([str(out / "bin" / "unit_tests"), test], capture_output=True, text=True)
        if "assertion" not in done.stdout:  # a comma in a name would mean "or"
            raise RuntimeError(f"no unit test is called {test}")
        return done.returncode != 0
    environment = os.environ | {"TM_BIN_DIR": str(out / "bin"), "PYTHONPATH": str(tree / "tests" / "integration"),
                                "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, str(tree / "tests" / program), test], env=environment, capture_output=True, text=True)
    if "HarnessError" in done.stderr and "AssertionError" not in done.stderr:
        raise RuntimeError(f"the stage broke, not the play:\n{done.stderr[-1500:]}")
    return done.returncode != 0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--build")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    chosen = [m for m in MISTAKES if not options.names or any(n in m[0] for n in options.names)]
    survived = 0
    with tempfile.TemporaryDirectory(prefix="tmb-seed-", dir="/tmp") as folder:
        tree, out = pathlib.Path(folder) / "tree", pathlib.Path(folder) / "build"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", "build*", "__pycache__"))
        for name, patches, program, test in chosen:
            originals = {file: (tree / file).read_text(encoding="utf-8") for file, _, _ in patches}
            try:
                for file, old, new in patches:
                    text = (tree / file).read_text(encoding="utf-8")
                    if text.count(old) != 1:
                        raise RuntimeError(f"{file} holds {text.count(old)} times: {old}")
                    (tree / file).write_text(text.replace(old, new), encoding="utf-8")
                build(tree, out, program, options.build)
                red = is_red(tree, out, program, test)
                print(f"{'caught  ' if red else 'SURVIVED'}  {name}", flush=True)
                survived += not red
            except RuntimeError as error:
                print(f"UNPROVEN  {name}: {error}", flush=True)
                survived += 1
            finally:
                for file, text in originals.items():
                    (tree / file).write_text(text, encoding="utf-8")
    print(f"{len(chosen) - survived} of {len(chosen)} mistakes caught")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
