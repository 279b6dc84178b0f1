#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves the tests: puts one mistake at a time into a copy of the tree and demands that the named test goes red.

    seeded_mistakes.py [--build COMMAND] [NAME…]     all mistakes, or those whose names contain one of the words

COMMAND is called with the copy, a folder for the build and the targets that its bin/ is to have; the default uses cmake. Not part of the ordinary run: each mistake costs a build. Ends with 1 when a mistake survives.
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
KEYS = "integration/keys_test.py"
KEYS_KILL = "fault/keys_kill_test.py"
UNIT = "unit_tests"
UNITS = "integration/units_test.py"
NIXOS = "integration/nixos_module_test.py"
NEEDS_NO_PROGRAM = (UNITS, NIXOS)
MAINTENANCE = "integration/maintenance_test.py"
QUESTION = "integration/question_test.py"
UNDO = "integration/undo_test.py"
UNDO_KILL = "fault/undo_kill_test.py"
CLOSE = "integration/close_test.py"
CHECK = "integration/check_test.py"
SERVER_GONE = "fault/server_gone_test.py"

# What a test runs besides teslamate-backup, as CMake calls it.
TARGETS = {
    UNIT: ["unit_tests"],
    MAINTENANCE: ["sample-database", "teslamate-backup", "teslamate-restore", "teslamate-delete-drive", "teslamate-delete-charge",
                  "teslamate-delete-car", "teslamate-close-drive", "teslamate-close-charge", "teslamate-undo"],
    QUESTION: ["sample-database", "teslamate-delete-drive", "teslamate-delete-car", "teslamate-close-drive", "teslamate-undo",
               "teslamate-check"],
    UNDO: ["sample-database", "teslamate-backup", "teslamate-keys", "teslamate-delete-drive", "teslamate-undo"],
    UNDO_KILL: ["sample-database", "teslamate-delete-drive", "teslamate-undo"],
    CLOSE: ["sample-database", "teslamate-close-drive", "teslamate-close-charge", "teslamate-undo"],
    CHECK: ["sample-database", "teslamate-check", "teslamate-delete-drive"],
    SERVER_GONE: ["sample-database", "teslamate-check", "teslamate-delete-drive", "teslamate-delete-charge", "teslamate-delete-car",
                  "teslamate-close-drive", "teslamate-close-charge", "teslamate-undo"],
}
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
# What a test needs besides teslamate-backup.
PROGRAMS = {KEYS: ["teslamate-keys", "teslamate-restore", "teslamate-snapshots", "teslamate-verify", "sample-database"],
            KEYS_KILL: ["teslamate-keys", "teslamate-snapshots", "teslamate-verify"]}

# name, [(file, what stands there, what stands there instead)…], program, test that must fail
MISTAKES = [
    ("no fsync of a file", [("src/base/file.cc", "if (::fsync(file.fd()) != 0) throw", "if (false) throw")],
     KILL, "Sweep.test_every_file_is_synced_before_its_name_and_every_name_before_the_manifest"),
    ("names of objects not synced before the manifest", [("src/repository/repository.cc", "  objects_.sync_directories();\n", "")],
     KILL, "Sweep.test_every_file_is_synced_before_its_name_and_every_name_before_the_manifest"),
    ("manifest before the names of its objects",
     [("src/repository/repository.cc", "  objects_.sync_directories();\n", ""),
      ("src/repository/repository.cc", "publish_owned(manifest_path(id), bytes, base::Overwrite::no, 0400);\n",
       "publish_owned(manifest_path(id), bytes, base::Overwrite::no, 0400);\n  objects_.sync_directories();\n")],
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
    ("object read without its hash", [("src/repository/object_store.cc", "id_of(type, content, used) != ref.id", "false")],
     UNIT, "a whole object of the same type*"),
    ("object read without its checksum", [("src/repository/object_file.cc", "return same ? nullptr :", "return same || !same ? nullptr :")],
     UNIT, "every flipped bit*"),
    ("manifest read without its checksum", [("src/repository/sealed_json.cc", "if (tail.substr(checksum_key.size(), 64) !=", "if (false && tail.substr(0, 1) !=")],
     UNIT, "every flipped bit*"),
    ("manifest of another repository accepted", [("src/repository/repository.cc", " || manifest.repository_id != repository_id", "")],
     UNIT, "a manifest of another repository*"),
    ("content there already is trusted by its name", [("src/repository/object_store.cc", "if (there == true) return stored;", "if (there) return stored;")],
     UNIT, "an object that is there under the right name*"),
    ("a snapshot's id can be taken twice", [("src/repository/repository.cc", "publish_owned(manifest_path(id), bytes, base::Overwrite::no, 0400", "publish_owned(manifest_path(id), bytes, base::Overwrite::yes, 0400")],
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
    # Units, package, NixOS module (the last needs nix and $NIXPKGS_LIB)
    ("home: units may write everywhere", [("systemd/hardening.conf", "ProtectSystem=strict\n", "")],
     UNITS, "Units.test_what_is_scheduled_writes_nothing_but_the_backups_and_has_no_network"),
    ("home: units may call everything", [("systemd/hardening.conf", "SystemCallFilter=@system-service\nSystemCallFilter=~@privileged @resources\n", "")],
     UNITS, "Units.test_every_unit_is_as_hardened_as_promised"),
    ("home: a missed backup is forgotten", [("systemd/teslamate-backup.timer.in", "Persistent=yes\n", "")],
     UNITS, "Units.test_a_missed_run_is_made_up_for"),
    ("home: a failed verification alerts nobody",
     [("systemd/teslamate-verify.service.in", "OnFailure=teslamate-backup-notify@%n.service\n", "")],
     UNITS, "Units.test_a_failure_of_what_is_scheduled_alerts"),
    ("home: operators may do everything to every unit", [("systemd/teslamate-backup.rules", "verbs.indexOf(action.lookup(\"verb\")) >= 0) {", "true) {")],
     UNITS, "PolkitRule.test_operators_start_and_stop_these_units_and_may_nothing_else"),
    ("home: a purge removes the backups",
     [("packaging/debian/postrm", "  rmdir /etc/teslamate-backup", "  rm -rf /var/lib/teslamate-backup\n  rmdir /etc/teslamate-backup")],
     UNITS, "Package.test_no_script_removes_more_than_the_settings_that_were_put_there"),
    ("home: an upgrade stops a running backup", [("packaging/debian/prerm", "[ \"$1\" = remove ] && ", "")],
     UNITS, "Package.test_an_upgrade_stops_nothing"),
    ("home: a secret may come from the store", [("nix/options.nix", "      type = types.nullOr types.externalPath;\n      default = null;\n      inherit", "      type = types.nullOr types.path;\n      default = null;\n      inherit")],
     NIXOS, "Module.test_every_option_is_documented_and_does_something_and_no_secret_may_be_in_the_store"),
    ("home: an option that reaches nothing", [("nix/module.nix", "Nice = cfg.niceness;", "Nice = 10;")],
     NIXOS, "Module.test_every_option_is_documented_and_does_something_and_no_secret_may_be_in_the_store"),
    ("home: a rebuild kills a running backup", [("nix/module.nix", "    restartIfChanged = false;\n    onFailure = mkIf", "    onFailure = mkIf")],
     NIXOS, "Module.test_what_it_makes_of_some_homes_is_what_a_real_systemd_tries"),
    ("home: the password's file is put on a command line", [("nix/module.nix", "            TimeoutStartSec = cfg.timeout;\n", "            TimeoutStartSec = cfg.timeout;\n            ExecStart = [ \"\" \"teslamate-backup --password ${toString db.passwordFile}\" ];\n")],
     NIXOS, "Module.test_what_it_makes_of_some_homes_is_what_a_real_systemd_tries"),
    ("home: TeslaMate's scripts win over ours", [("nix/module.nix", "lib.hiPrio cfg.package", "cfg.package")],
     NIXOS, "Module.test_every_fact_of_the_module_holds"),
    ("home: an option that TeslaMate's module removed stops the evaluation",
     [("nix/options.nix", "if found.success then found.value else default;", "lib.attrByPath path default (if hasTeslaMate then config.services.teslamate else { });")],
     NIXOS, "Module.test_every_fact_of_the_module_holds"),
    ("home: one word switches on TeslaMate's backups and ours", [("nix/alias.nix", "lib.length options.services.teslamate.backup.declarations == 1", "true")],
     NIXOS, "Module.test_every_fact_of_the_module_holds"),
    ("home: a server that is starting is not waited for", [("src/postgres/connection.cc", "attempt >= 20 ||", "attempt >= 0 ||")],
     "integration/server_states_test.py", "ServerStates.test_a_server_that_is_still_starting_is_waited_for"),
    ("home: two accounts archive into one folder", [("nix/pitr.nix", "          User = lib.mkForce \"postgres\";\n", "")],
     NIXOS, "Module.test_every_fact_of_the_module_holds"),
    ("home: one lock of pgBackRest is elsewhere", [("nix/pitr.nix", "      commands.restore.lock-path = lib.mkForce locks;\n", "      commands.restore.lock-path = \"/tmp/postgresql\";\n")],
     NIXOS, "Module.test_every_fact_of_the_module_holds"),
    # -- maintenance
    ("deleted though it changed since it was shown", [("src/teslamate/remove.cc", "if (plan.fingerprint != shown) {", "if (false) {")],
     QUESTION, "Question.test_nothing_is_held_while_a_person_thinks"),
    ("an open drive is deleted without --force", [("src/teslamate/remove.cc", "plan.open.empty() || options.force", "true")],
     MAINTENANCE, "Maintenance.test_an_open_drive_needs_force"),
    ("the undo file is stored after COMMIT",
     [("src/teslamate/remove.cc", "  pending.writer->publish();\n  const base::Path undo = commit(store, transaction, connection_, adapters_, "
       "header, pending.path, reporter_);\n", "  transaction.commit();\n  pending.writer->publish();\n  const base::Path undo = "
       "store.confirm(pending.path);\n")],
     UNDO_KILL, "Killed.test_a_delete_killed_anywhere"),
    ("a car's settings are found by the car's id",
     [("src/teslamate/remove_plan.cc", "t.id IN (SELECT c.settings_id FROM public.cars c", "t.id IN (SELECT c.id FROM public.cars c"),
      ("src/teslamate/remove_plan.cc", "if (closure.rows_of(cars) != plan.cars.size()) {", "if (false) {"),
      ("src/teslamate/remove_plan.cc", "if (other.integer(0, 0) != 0) throw", "if (false) throw")],
     MAINTENANCE, "Maintenance.test_a_car_goes_with_its_own_settings_and_never_another_car"),
    ("positions that others need go", [("src/teslamate/closure.cc", "if (key.referenced == table) left_out +=", "if (false) left_out +=")],
     MAINTENANCE, "Maintenance.test_positions_that_others_need_stay"),
    ("what TeslaMate's command says is believed",
     [("src/teslamate/close.cc", "if (!answer.ok || !closed || (!changed && record.open)) {", "if (!answer.ok) {")],
     CLOSE, "Close.test_an_answer_that_is_not_true_is_a_failure"),
    ("a drive that TeslaMate deletes is closed without consent",
     [("src/teslamate/close.cc", "if (record.too_short && !options.allow_delete) {", "if (false) {")],
     CLOSE, "Close.test_a_drive_that_teslamate_would_delete_needs_consent_and_comes_back"),
    ("a process that left its group keeps us", [("src/base/process.cc", "if (now - std::chrono::seconds(1) > kill_at) break;", "")],
     CLOSE, "Close.test_a_container_that_hangs_or_leaves_a_process_behind_does_not_keep_us"),
    ("read back on a connection that is gone",
     [("src/teslamate/close.cc", "if (error.code() != ExitCode::cannot_connect && error.code() != ExitCode::database) throw;", "throw;")],
     CLOSE, "Close.test_a_server_that_restarts_during_the_call_is_asked_again"),
    ("the sequence check is the wrong way round", [("src/catalog/health.cc", "if (one.next <= one.largest)", "if (one.next > one.largest)")],
     CHECK, "Check.test_a_healthy_database_has_no_finding_and_nothing_is_changed"),
    ("the check may write", [("src/teslamate/check.cc", "REPEATABLE READ READ ONLY", "REPEATABLE READ")],
     CHECK, "Check.test_it_only_ever_reads"),
    ("a position of a restart on the road is called orphaned",
     [("src/teslamate/orphans.cc", "WHERE g.earlier >=", "WHERE true OR g.earlier >=")],
     CHECK, "Check.test_a_parked_car_and_a_restart_on_the_road_leave_no_orphans"),
    ("the check waits for locks without end", [("maintenance/teslamate-check.cc", "  catalog::limit_lock_waits(connection, 10000);\n", "")],
     SERVER_GONE, "Restarted.test_a_check_of_a_locked_table_ends_and_names_who_holds_it"),
    ("an error of COMMIT is believed",
     [("src/teslamate/commit.cc", "case catalog::TransactionEnd::committed: return;", "case catalog::TransactionEnd::committed: throw;")],
     SERVER_GONE, "AnswerOfCommitLost.test_what_was_done_is_not_called_undone"),
    ("an undo file is read without its hash",
     [("src/teslamate/undo_file.cc", "entry.at(\"sha256\").get<std::string>() == crypto::hex(hash.finish())", "true")],
     UNDO, "Undo.test_what_was_forged_does_nothing"),
    ("keys of before are not tried", [("tools/undo_adapters.hh", "= repository.earlier_local_keys(\"undo files\");", ";")],
     UNDO, "Undo.test_a_file_sealed_before_keys_were_changed_opens_after"),
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
    # Keys and secrets.
    ("a wrong tag gives the bytes", [("src/crypto/seal.cc", "if (EVP_DecryptFinal_ex(gcm, none.data(), &length) == 1) return true;",
                                      "if (EVP_DecryptFinal_ex(gcm, none.data(), &length) < 2) return true;")],
     UNIT, "every flipped bit and every other length of sealed bytes*"),
    ("bytes are left before the tag is known", [("src/crypto/seal.cc", "  wipe(plain.data(), plain.size());\n  plain.clear();\n  return false;", "  return false;")],
     UNIT, "every flipped bit and every other length of sealed bytes*"),
    ("a nonce comes twice", [("src/crypto/seal.cc", "seal_with_nonce(key, random_bytes(seal_nonce_bytes), aad", "seal_with_nonce(key, std::string(seal_nonce_bytes, 'n'), aad")],
     UNIT, "no nonce comes twice"),
    ("the additional data without the object's name",
     [("src/repository/object_file.cc", "out.append(repository_id).append(\"\\n\").append(name).append(\"\\n\");", "out.append(repository_id).append(name.substr(0, 0)).append(\"\\n\");")],
     KEYS, "Golden.test_it_is_listed_verified_and_restored_with_each_of_its_keys"),
    ("the additional data without the header", [("src/repository/object_file.cc", "return out.append(file.substr(0, hashed_header_bytes));", "return out.append(file.substr(0, 0));")],
     KEYS, "Encrypted.test_the_recovery_script_alone_restores_an_encrypted_snapshot"),
    ("the last slot can be removed", [("tools/keys/remove.cc", "if (slots.size() == 1) {", "if (slots.empty()) {")],
     KEYS, "Slots.test_slots_are_added_listed_and_removed_but_never_the_last"),
    ("a wrong passphrase is told as damage", [("src/repository/key_slot.cc", "throw Error(ExitCode::wrong_key, message)", "throw Error(ExitCode::damaged, message)")],
     UNIT, "a wrong passphrase is 12*"),
    ("a slot without its commitment", [("src/repository/key_slot.cc", "text)), slot.commit))\n    return std::nullopt;", "text)), slot.commit) && text.empty())\n    return std::nullopt;")],
     UNIT, "a wrong passphrase is 12*"),
    ("a slot may ask for any work", [("src/repository/key_slot.cc", "  if (!sane) {", "  if (!sane && c.n == 1) {")],
     UNIT, "no slot makes us work much harder*"),
    ("a slot in another spelling", [("src/repository/key_slot.cc", "if (!sane || to_file(s) != bytes)", "if (!sane)")],
     UNIT, "members of a slot that are missing*"),
    ("format.json is not authenticated", [("src/repository/format.cc", "if (crypto::equal_secrets(format.mac, mac_of(format, keys))) return;", "if (format.mac != mac_of(format, keys) || !what.empty()) return;")],
     UNIT, "a repository that says it is not encrypted any more*"),
    ("an unsealed object looks intact", [("src/repository/object_store.cc", "  if (!sealed_as_due) return false;\n", "  static_cast<void>(sealed_as_due);\n")],
     UNIT, "objects that changed places*"),
    ("older and thinned repositories pass", [("src/repository/last_seen.cc", "  if (gone.empty() && !older) return;\n", "  if (gone.empty() || !older) return;\n")],
     UNIT, "an older*"),
    ("a tag that was taken away is not missed", [("src/repository/last_seen.cc", "tag == tags.end() || tag->second < changed", "tag != tags.end() && tag->second < changed")],
     UNIT, "a tag that is taken away*"),
    ("an unsealed tag counts", [("src/repository/tags.cc", "} else if (repository.encrypted() && !repository.keys().plain_too) {", "} else if (repository.id().empty()) {")],
     UNIT, "every flipped bit* cut and foreign tag*"),
    ("a damaged tag lets a snapshot be forgotten", [("src/retention/prune.cc", "    throw error.with_hint(hint);\n", "    return;\n")],
     KEYS, "Hostile.test_a_tag_cannot_be_forged_or_taken_away"),
    ("secrets in files that are open to others", [("src/config/private_file.cc", "if ((status.st_mode & 077U) != 0) {", "if ((status.st_mode & 07U) == 8U) {")],
     KEYS, "Encrypted.test_the_key_comes_from_flag_credential_or_settings_and_a_missing_one_is_12"),
    ("a typed passphrase is shown", [("src/cli/context.cc", "~static_cast<tcflag_t>(ECHO | ECHONL)", "~static_cast<tcflag_t>(0)")],
     KEYS, "Terminal.test_the_terminal_shows_again_what_is_typed_however_a_prompt_is_left"),
    ("the process may be dumped", [("src/cli/process_setup.cc", "  ::prctl(PR_SET_DUMPABLE, 0);\n", "")],
     KEYS, "Terminal.test_a_process_that_waits_for_a_passphrase_is_closed_to_others_of_its_account"),
    ("an environment file that came as a credential is not carried", [("tools/carried.hh", "config::environment_file_here(settings.database, environment)", "environment.empty() ? base::Path() : environment_file")],
     KEYS, "Carried.test_an_environment_file_that_came_as_a_credential_is_carried_under_its_own_name"),
    ("names are not synced while the key is changed", [("src/repository/rekey.cc", "    repository_.objects().sync_directories();\n", "")],
     KEYS_KILL, "Sweep.test_every_name_is_durable_before_what_needs_it"),
    ("format.json before the slot", [("src/repository/rekey.cc", "  publish_owned(folder / slot.file_name(), to_file(slot), base::Overwrite::no, 0400);\n", ""),
                                     ("src/repository/rekey.cc", "  replace_format(repository, format, *keys);\n", "  replace_format(repository, format, *keys);\n  publish_owned(folder / slot.file_name(), to_file(slot), base::Overwrite::no, 0400);\n")],
     KEYS_KILL, "Sweep.test_encrypting_a_plain_repository"),
]


def build(tree: pathlib.Path, out: pathlib.Path, program: str, command: str | None) -> None:
    environment = os.environ | {"CCACHE_NOHASHDIR": "1"}
    targets = TARGETS.get(program, ["teslamate-backup"])
    targets = ["unit_tests"] if program == UNIT else ["teslamate-backup", *PROGRAMS.get(program, [])]
    if command:
        argv = [[command, str(tree), str(out), *targets]]
    else:
        argv = [["cmake", "-S", str(tree), "-B", str(out), "-DCMAKE_BUILD_TYPE=RelWithDebInfo"],
                ["cmake", "--build", str(out), "--target", *targets, "-j2"]]
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
                if program not in NEEDS_NO_PROGRAM:
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
